# shellcheck shell=sh disable=SC2034
# What every script for a node begins with. POSIX sh, tried under dash and busybox.
# Sets S (the state directory, by state_path) and BOOT (the boot id). Comment lines are left out on the way to the node.
set -eu
umask 077
LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
# Without /proc (a demo on another Unix) the time of boot stands in for the boot id.
{ read -r BOOT </proc/sys/kernel/random/boot_id; } 2>/dev/null || BOOT=$(sysctl -n kern.boottime | tr -cd '0-9')

# die CODE TEXT: refuses. The caller makes an error with a hint of it.
die() {
  printf 'CLUSTERLIFT-ERROR %s %s\n' "$1" "$2" >&2
  exit 64
}

# emit KEY VALUE: one entry of a result. The length in bytes comes first, so no value can pose as another entry.
emit() {
  printf '%s %s\n%s\n' "$1" "${#2}" "$2"
}

# emit_file KEY PATH MAX: the first MAX bytes of a file as an entry; nothing when it cannot be read.
emit_file() {
  [ -f "$2" ] && [ -r "$2" ] || return 0
  emit_text=$(head -c "$3" "$2" 2>/dev/null; printf x)
  emit "$1" "${emit_text%x}"
}

# sync_path PATH…: onto the disk. Old versions of sync take no path and flush everything.
sync_path() {
  sync "$@" 2>/dev/null || sync
}

# put PATH: stdin becomes the content of a file, whole or not at all, also after a power cut.
put() {
  cat >"$1.new.$$"
  sync_path "$1.new.$$"
  mv -f "$1.new.$$" "$1"
}

# state_path DIR: sets S to DIR, or to the default of the effective user.
state_path() {
  case $1 in
    '')
      S=/var/lib/clusterlift
      [ "$(id -u)" = 0 ] || S=${XDG_STATE_HOME:-$HOME/.local/state}/clusterlift
      ;;
    "~"/*) S=$HOME/${1#??} ;;
    /*) S=$1 ;;
    *) die state-path "the state directory must be an absolute path, not $1" ;;
  esac
  # What somebody else keeps there is not ours to believe, and nothing of it may run. facts.sh only says so.
  [ ! -e "$S" ] || [ -O "$S" ] || [ "${STATE_ANY-}" = yes ] || state_of_root ||
    die state-owner "$S belongs to another user than uid $(id -u)"
  [ "${STATE_ANY-}" = yes ] || state_link_is_ours || die state-owner "$S is a link that another user made"
}

# A link of somebody else would lead us, as root, to any directory of root.
state_link_is_ours() {
  [ -L "$S" ] || return 0
  # shellcheck disable=SC2012
  ls -ldn "$S" | {
    read -r _ _ uid _
    [ "$uid" = 0 ] || [ "$uid" = "$(id -u)" ]
  }
}

state_of_root() {
  # Columns of ls -n: mode, links, uid.
  # shellcheck disable=SC2012
  [ "$(ls -ldnL "$S" | { read -r _ _ uid _; printf %s "$uid"; })" = 0 ]
}

# state_make: makes the state directory, 0700 and ours, where programs may run.
state_make() {
  mkdir -p "$S" 2>/dev/null || die state-create "cannot make $S"
  # Columns of ls -n: mode, links, uid.
  # shellcheck disable=SC2012
  state_uid=$(ls -ldnL "$S" | { read -r _ _ uid _; printf %s "$uid"; })
  [ "$state_uid" = "$(id -u)" ] || die state-owner "$S belongs to uid $state_uid, and this is uid $(id -u)"
  chmod 700 "$S"
  mkdir -p "$S/lock" "$S/jobs" "$S/packages" "$S/installed" "$S/requests" "$S/runs" || die state-create "cannot write in $S"
  state_probe=$S/.exec.$$
  printf '#!/bin/sh\nexit 0\n' >"$state_probe" || die state-create "cannot write in $S"
  chmod 700 "$state_probe"
  state_runs=yes
  "$state_probe" 2>/dev/null || state_runs=no
  rm -f "$state_probe"
  [ $state_runs = yes ] || die state-noexec "$S lies on a file system where programs may not run (noexec)"
}

# claim SOURCE TARGET: renames a directory with content to a name that nobody has yet; of many at once, one succeeds.
# mv moves *into* a directory that is there already, and cannot replace one that is not empty.
claim() {
  if [ ! -e "$2" ]; then
    mv "$1" "$2" 2>/dev/null || :
  fi
  if [ -e "$1" ]; then
    rm -rf "$1"
    return 1
  fi
  if [ -e "$2/${1##*/}" ]; then
    rm -rf "${2:?}/${1##*/}"
    return 1
  fi
}

# pid_start PID: sets START to the start time of a living process (proc(5) stat, field 22), else to nothing.
pid_start() {
  START=
  if [ ! -d /proc/self ]; then
    START=$(ps -o lstart= -p "$1" 2>/dev/null | tr -cd '0-9A-Za-z') || :
    return 0
  fi
  # By `read`: a follower does this over and over, and a process is dear. The name in parentheses may hold anything.
  stat_line=
  { while IFS= read -r stat_part; do stat_line=$stat_line$stat_part; done <"/proc/$1/stat"; } 2>/dev/null || return 0
  # shellcheck disable=SC2086
  set -- ${stat_line##*) }
  case ${1:-X} in
    # A zombie has ended: it only waits to be collected.
    Z | X | x) return 0 ;;
  esac
  shift 19
  START=$1
}

# lives FILE: does the process live that FILE names by pid and start time?
lives() {
  { read -r lives_pid lives_start <"$1"; } 2>/dev/null || return 1
  pid_start "$lives_pid"
  [ -n "$START" ] && [ "$START" = "$lives_start" ]
}

# job_state DIR: sets STATE to absent, unclaimed, running, ended, dead or other-boot, and RC when it has ended.
job_state() {
  STATE=absent RC=
  [ -d "$1" ] || return 0
  STATE=unclaimed
  [ -d "$1/started" ] || return 0
  job_boot=
  { read -r job_boot <"$1/started/boot_id"; } 2>/dev/null || :
  STATE=running
  if [ "$job_boot" != "$BOOT" ]; then
    STATE=other-boot
  elif ! lives "$1/started/pid" && ! lives "$1/child" && ! job_unit_lives "$1"; then
    STATE=dead
  fi
  # Looked for last: it may have ended while we looked for its process.
  if { read -r RC <"$1/rc"; } 2>/dev/null; then STATE=ended; fi
}

job_unit_lives() {
  { read -r job_unit <"$1/unit"; } 2>/dev/null || return 1
  systemctl is-active --quiet "$job_unit" 2>/dev/null
}

# jobs_alive RUN: sets ALIVE to the jobs of a run that live, one a line.
jobs_alive() {
  ALIVE=
  for alive_job in "$S"/jobs/*; do
    alive_run=
    { read -r alive_run <"$alive_job/run"; } 2>/dev/null || :
    [ "$alive_run" = "$1" ] || continue
    job_state "$alive_job"
    [ "$STATE" = running ] || continue
    ALIVE=$ALIVE${alive_job##*/}'
'
  done
}

# epoch_now: sets EPOCH to the newest claim of the lock that counts (0: none), LAST to the newest of all.
epoch_now() {
  EPOCH=0 LAST=0
  for epoch_dir in "$S"/lock/e*; do
    epoch_n=${epoch_dir##*/e}
    case $epoch_n in *[!0-9]* | '') continue ;; esac
    [ "$epoch_n" -le "$LAST" ] || LAST=$epoch_n
    [ "$epoch_n" -le "$EPOCH" ] || [ -e "$epoch_dir/withdrawn" ] || EPOCH=$epoch_n
  done
}

# holds RUN EPOCH[:NODE]: is the lock held by that run in that epoch, for that node? Sets HELD_AS to the name in the claim.
holds() {
  epoch_now
  holder_run='' HELD_AS=''
  { read -r holder_run <"$S/lock/e${2%%:*}/run"; } 2>/dev/null || :
  # Claims of earlier versions name no node.
  { read -r HELD_AS <"$S/lock/e${2%%:*}/node"; } 2>/dev/null || :
  [ "$EPOCH" = "${2%%:*}" ] && [ ! -e "$S/lock/e$EPOCH/released" ] && [ "$holder_run" = "$1" ] || return 1
  case $2 in *:*) [ -z "$HELD_AS" ] || [ "$HELD_AS" = "${2#*:}" ] ;; esac
}

state_lost() {
  die state-lost "there is no lock in $S any more: the directory was removed or emptied"
}

# fence RUN EPOCH[:NODE]: a process that was taken over changes nothing any more. Where there is no claim at all, nobody took
# over: the directory was removed. A claim under another name is that of a node whose address leads elsewhere by now.
fence() {
  holds "$1" "$2" && return 0
  [ "$LAST" != 0 ] || state_lost
  freed=
  { read -r freed <"$S/lock/e$EPOCH/released"; } 2>/dev/null || :
  [ "$EPOCH" != "${2%%:*}" ] || case $freed in unlocked\ *) die unlocked "${freed#unlocked }" ;; esac
  case $2 in
    *:*) [ "$holder_run" != "$1" ] || [ -z "$HELD_AS" ] || [ "$HELD_AS" = "${2#*:}" ] ||
      die lock-other-name "the lock in $S was taken for $HELD_AS, not for ${2#*:}" ;;
  esac
  die fenced "the lock in $S is no longer held by run $1 in epoch ${2%%:*}"
}
