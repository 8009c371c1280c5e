# shellcheck shell=sh disable=SC2154
# Restore points in a restic repository, seen from one node. Goes after lib.sh, tar.sh and restic.sh.
#
# check STATE REPOSITORY CREATE            CREATE yes: makes the repository when there is none
# create STATE REPOSITORY ID NODE TAGS STOP START EXCLUDES PATH…    a job
# result STATE ID                          the facts of a part that was created
# list STATE REPOSITORY                    stdout: our snapshots, JSON
# dump STATE REPOSITORY SNAPSHOT NAME ID   stdout: a file of point ID that was kept with `keep`
# keep STATE REPOSITORY NODE NAME TAGS     stdin after the password: a file; it becomes a snapshot of its own
# table STATE REPOSITORY SNAPSHOT          stdout: what is in it, JSON lines
# verify STATE REPOSITORY SNAPSHOT
# forget STATE REPOSITORY SNAPSHOT…

application() {
  [ -z "$1" ] || (umask 022 && cd / && exec sh -c "$1")
}

start_again() {
  [ -n "$stopped" ] || return 0
  stopped=
  application "$START" || {
    printf 'CLUSTERLIFT-ERROR quiet-start %s\n' "the application is down: it was stopped for the backup, and \`start\` failed" >&2
    return 1
  }
}

leave() {
  status=$?
  trap '' EXIT
  start_again || status=65
  rm -rf "$WORK"
  exit "$status"
}

begin() {
  mkdir -p "$S/points"
  WORK=$S/.restic.$$ stopped=
  mkdir "$WORK"
  trap leave EXIT
  trap 'exit 143' HUP INT TERM
}

check() {
  case $RESTIC_REPOSITORY in
    /*) if exposed "$RESTIC_REPOSITORY"; then die location-exposed "$RESTIC_REPOSITORY is no safe place: $LOOSE"; fi ;;
  esac
  if [ "$CREATE" = yes ]; then
    restic_do cat config >/dev/null 2>&1 && check_rc=0 || check_rc=$?
    if [ "$check_rc" = 10 ]; then
      restic_or restic-create init
      emit created yes
    fi
  fi
  restic_or restic-reach cat config
  emit version "$restic_is"
  case $RESTIC_REPOSITORY in
    /*) emit free-kb "$(df -Pk "$RESTIC_REPOSITORY" | awk 'NR == 2 { print $4 }')" ;;
  esac
}

create() {
  ID=$1 NODE=$2 TAGS=$3 STOP=$4 START=$5 EXCLUDES=$6
  shift 6
  : >"$WORK/states"
  present_n=$# tree=0
  for path in "$@"; do
    if exists "$path"; then
      state=present
      [ ! -L "$path" ] || state='link'
      set -- "$@" "$path"
    else
      state=absent
    fi
    printf '%s %s\n' "$state" "$path" >>"$WORK/states"
  done
  shift "$present_n"
  rm -f "$S/points/$ID.result"
  if [ -n "$STOP$START" ]; then
    stopped=yes
    application "$STOP" || die quiet-stop "\`stop\` failed before the backup; the application was started again"
  fi
  for path in "$@"; do
    one=$(du -sk "$path" 2>/dev/null | cut -f 1) || one=0
    tree=$((tree + ${one:-0}))
  done
  # restic makes no snapshot of nothing, and none of an empty stdin.
  echo >"$WORK/nothing"
  [ $# -gt 0 ] || set -- --stdin --stdin-filename nothing
  [ "$1" = --stdin ] || set -- -- "$@"
  printf '%s\n' "$EXCLUDES" >"$WORK/excludes"
  while IFS= read -r each; do
    [ -z "$each" ] || set -- --exclude "$each" "$@"
  done <"$WORK/excludes"
  set -- --host "$NODE" --tag "$TAGS" "$@"
  restic_from "$WORK/nothing" backup --json --retry-lock 5m "$@" >"$WORK/out" 2>"$WORK/said" && rc=0 || rc=$?
  start_again || exit 65
  cat "$WORK/said" >&2
  # 3: something could not be read. A file that was removed meanwhile is not a failure.
  grep -v 'no such file or directory' "$WORK/said" | grep '"message_type":"error"' >"$WORK/serious" || :
  if [ "$rc" = 3 ] && [ ! -s "$WORK/serious" ]; then rc=0; fi
  [ "$rc" = 0 ] || restic_refuse "$rc" backup-restic "$(cat "$WORK/said")"
  {
    emit summary "$(grep '"message_type":"summary"' "$WORK/out" | tail -n 1)"
    emit tree-kb "$tree"
    emit_file paths "$WORK/states" 1000000
    emit_file warnings "$WORK/said" 20000
  } >"$WORK/result"
  put "$S/points/$ID.result" <"$WORK/result"
  sync_path "$S/points"
}

keep() {
  cat >"$WORK/file"
  restic_from "$WORK/file" backup --quiet --retry-lock 5m --stdin --stdin-filename "$2" --host "$1" --tag "$3" >/dev/null 2>"$WORK/said" ||
    restic_refuse "$?" backup-restic "$(cat "$WORK/said")"
}

verdict() {
  emit verdict broken
  emit reason "$1: $(tail -n 1 "$WORK/said")"
  exit 0
}

# Every blob of the snapshot is read and checked against its name; then the repository's structure and a part of all its data.
verify() {
  restic_waiting dump --archive tar "$1" / >/dev/null 2>"$WORK/said" || failed "$?" "the data of the snapshot cannot be read"
  restic_waiting check --read-data-subset=5% >/dev/null 2>"$WORK/said" || failed "$?" "the repository is damaged"
  emit verdict verified
}

failed() {
  case $1 in
    10 | 11 | 12) restic_refuse "$1" restic-reach "$(cat "$WORK/said")" ;;
  esac
  verdict "$2"
}

mode=$1
state_path "$2"
REPOSITORY=$3
shift 3
if [ "$mode" = result ]; then
  [ ! -f "$S/points/$REPOSITORY.result" ] || cat "$S/points/$REPOSITORY.result"
  exit 0
fi
if [ "$mode" = dump ]; then
  # The name of a snapshot is the digest of what is in it, and each start of restic is slow: it is asked for it once.
  KEPT=$S/points/$3.$1.kept
  if [ -f "$KEPT" ]; then
    cat "$KEPT"
    exit 0
  fi
fi
begin
restic_open "$REPOSITORY"
case $mode in
  check)
    CREATE=$1
    check
    ;;
  create) create "$@" ;;
  list)
    restic_do snapshots --json --no-lock --tag clusterlift >"$WORK/out" 2>"$WORK/said" || restic_refuse "$?" restic-reach "$(cat "$WORK/said")"
    cat "$WORK/out"
    ;;
  dump)
    restic_do dump --no-lock "$1" "$2" >"$WORK/out" 2>"$WORK/said" || restic_refuse "$?" restic-reach "$(cat "$WORK/said")"
    put "$KEPT" <"$WORK/out"
    cat "$WORK/out"
    ;;
  keep) keep "$@" ;;
  table)
    restic_do ls --json --no-lock "$1" 2>"$WORK/said" || restic_refuse "$?" restic-reach "$(cat "$WORK/said")"
    ;;
  verify) verify "$1" ;;
  forget) restic_or restic-reach forget --prune --retry-lock 5m "$@" ;;
esac
