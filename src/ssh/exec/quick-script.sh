# shellcheck shell=sh disable=SC2034,SC2154
# Runs short scripts (version, check, health) one after the other, each with a time limit, and emits how they went.
# What outlives its limit is killed with its whole process group.
#
# SPECSIZE SIZE      stdin: the spec, then the contents of its files. A line each, values for printf %b:
#   file MODE SIZE PATH | dir PATH | common NAME=VALUE | run NAME SECONDS BYTES | env NAME=VALUE | arg VALUE | go
# The first arg of a run is the script, relative to the directory.
# Without `dir` the files are laid into a temporary directory, which is gone at the end.

# As root nothing is laid where another user could put something else in its place.
is_safe() {
  [ "$(id -u)" = 0 ] || return 0
  # shellcheck disable=SC2012
  ls -ldnL "$1" 2>/dev/null | {
    read -r safe_mode _ safe_uid _ || exit 1
    [ "$safe_uid" = 0 ] || exit 1
    case $safe_mode in
      ?????????[tT]*) exit 0 ;;
      ?????w* | ????????w*) exit 1 ;;
    esac
  }
}

# A place where programs may run; /tmp is often mounted noexec.
make_temporary() {
  for tmp in "${TMPDIR:-/tmp}" /tmp /var/tmp /run "$HOME"; do
    is_safe "$tmp" || continue
    T=$(mktemp -d "$tmp/clusterlift.XXXXXX" 2>/dev/null) || continue
    printf '#!/bin/sh\nexit 0\n' >"$T/probe" && chmod 700 "$T/probe"
    if "$T/probe" 2>/dev/null; then return 0; fi
    rm -rf "$T"
  done
  die temp-create "no temporary directory can be made where programs may run"
}

script() {
  plain_environment
  while IFS= read -r env_line; do
    unescape "$env_line"
    export "${VALUE%%=*}=${VALUE#*=}"
  done <"$T/env"
  [ "$dir" != "$T/files" ] || export CLUSTERLIFT_PACKAGE="$dir"
  export CLUSTERLIFT_OUTPUT="$T/output"
  umask 022
  ulimit -f 2097152 2>/dev/null || :
  cd "$dir" || exit 126
  # A session of its own is a process group of its own.
  [ -x "$1" ] || set -- sh "$@"
  # shellcheck disable=SC2086
  exec $setsid "$@"
}

watchdog() {
  # shellcheck disable=SC2016,SC2086
  $setsid sh -c 'sleep "$1"; : >"$2"; kill -KILL "-$3" 2>/dev/null || kill -KILL "$3"' sh "$seconds" "$T/late" "$1" \
    </dev/null >/dev/null 2>&1 &
  dog=$!
}

go() {
  : >"$T/output"
  rm -f "$T/late"
  script "$@" </dev/null >"$T/out" 2>"$T/err" &
  child=$!
  watchdog "$child"
  rc=0
  wait "$child" || rc=$?
  kill -KILL "-$dog" 2>/dev/null || kill -KILL "$dog" 2>/dev/null || :
  emit run "$name"
  if [ -e "$T/late" ]; then emit rc timeout; else emit rc "$rc"; fi
  emit_file out "$T/out" "$bytes"
  tail -c 16384 "$T/err" >"$T/tail"
  emit_file err "$T/tail" 16384
  emit_file output "$T/output" 8192
}

setsid=
if command -v setsid >/dev/null 2>&1; then setsid=setsid; fi
make_temporary
trap 'rm -rf "$T"' EXIT
trap 'exit 1' HUP INT TERM PIPE
mkdir "$T/files"
cat >"$T/payload"
head -c "$1" "$T/payload" >"$T/spec"
[ "$(($(wc -c <"$T/payload")))" = "$2" ] || die job-invalid "the scripts arrived cut short"
at=$(($1 + 1)) dir=$T/files
: >"$T/env"
cp "$T/env" "$T/common"
set --
while IFS= read -r line; do
  rest=${line#* }
  case $line in
    'file '*)
      size=${rest#* }
      write_file "$T/payload" "$dir" "${rest%% *}" "${size%% *}" "${size#* }"
      ;;
    'dir '*)
      unescape "$rest"
      dir=$VALUE
      ;;
    'common '*) printf '%s\n' "$rest" >>"$T/common" ;;
    'env '*) printf '%s\n' "$rest" >>"$T/env" ;;
    'run '*)
      cp "$T/common" "$T/env"
      name=${rest%% *}
      bytes=${rest##* }
      seconds=${rest#* }
      seconds=${seconds% *}
      set --
      ;;
    'arg '*)
      unescape "$rest"
      set -- "$@" "$VALUE"
      ;;
    go) go "$@" ;;
  esac
done <"$T/spec"
