# shellcheck shell=sh disable=SC2154
# How scripts use restic on the node. Goes after lib.sh. The password is in no argv, no file and no environment of restic:
# it goes through a pipe. It comes in CLUSTERLIFT_RESTIC (set for a job only), else as the first line of stdin.
# $S/restic.env, when it is there, holds what the repository's server wants (RESTIC_REST_PASSWORD=…, AWS_…).

# restic_open REPOSITORY
restic_open() {
  RESTIC_REPOSITORY=$1
  RESTIC_PROGRESS_FPS=0.5
  if [ -n "${CLUSTERLIFT_RESTIC+x}" ]; then
    restic_secret=$CLUSTERLIFT_RESTIC
    unset CLUSTERLIFT_RESTIC
  else
    IFS= read -r restic_secret || :
  fi
  if [ -f "$S/restic.env" ]; then
    set -a
    # shellcheck source=/dev/null
    . "$S/restic.env"
    set +a
  fi
  export RESTIC_REPOSITORY RESTIC_PROGRESS_FPS
  restic_is=$(restic version 2>/dev/null | sed -n 's/^restic \([0-9]*\.[0-9]*\).*/\1/p') || :
  [ -n "$restic_is" ] || die restic-missing "restic is not installed"
  if [ "${restic_is%%.*}" = 0 ] && [ "${restic_is#*.}" -lt 17 ]; then die restic-too-old "restic $restic_is is too old, 0.17 is needed"; fi
}

# restic_from FILE ARGUMENT…: restic with a file as its stdin.
restic_from() {
  printf '%s\n' "$restic_secret" | {
    exec 3<&0 <"$1"
    shift
    RESTIC_PASSWORD_FILE=/dev/fd/3 restic "$@"
  }
}

restic_do() {
  restic_from /dev/null "$@"
}

# restic_waiting ARGUMENT…: restic, that waits for the locks of others. Locks that are stale (of dead processes of this host,
# or 30 minutes old) go.
restic_waiting() {
  restic_do "$@" && return 0
  restic_rc=$?
  [ "$restic_rc" = 11 ] || return "$restic_rc"
  restic_do unlock >/dev/null 2>&1 || :
  restic_do "$@" --retry-lock 5m
}

# restic_or CODE ARGUMENT…: restic, or a refusal that tells what it said. Exit statuses: restic's manual, "Scripting".
restic_or() {
  restic_code=$1
  shift
  restic_said=$(restic_do "$@" 2>&1 >/dev/null) && return 0
  restic_refuse "$?" "$restic_code" "$restic_said"
}

# restic_refuse STATUS CODE TEXT
restic_refuse() {
  restic_line=$(printf '%s\n' "$3" | sed '/^$/d' | tail -n 1)
  case $1 in
    10) die restic-no-repository "there is no repository" ;;
    11) die restic-locked "the repository is locked: $restic_line" ;;
    12) die restic-password "the password of the repository is wrong" ;;
  esac
  case $restic_line in
    *'no space left'*) die backup-full "the repository is full" ;;
  esac
  die "$2" "restic: $restic_line"
}
