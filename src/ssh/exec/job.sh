# shellcheck shell=sh disable=SC2154
# Starts jobs and follows them. Repeating any of this is harmless: the job claims its directory once.
#
# start STATE ID RUN EPOCH SECRETS SIZE…      stdin: SECRETS lines, then the files wrapper, script, spec, record
# run … -- OFFSET POLL SECONDS                start, then follow
# follow STATE ID OFFSET POLL SECONDS         stdout: the log from OFFSET; stderr at the end: the state
# status STATE ID

pause() {
  sleep "$1" 2>/dev/null || sleep 1
}

uptime_now() {
  { read -r UP _ </proc/uptime; } 2>/dev/null || UP=$(date +%s)
  UP=${UP%%.*}
}

read_secrets() {
  secrets=
  while [ "$count" -gt 0 ]; do
    IFS= read -r secret || die job-invalid "the secrets are cut short"
    secrets=$secrets$secret'
'
    count=$((count - 1))
  done
}

# Whole or not at all: what a lost link cut short is thrown away.
upload() {
  new=$S/jobs/.new.$id.$$
  rm -rf "$new"
  mkdir "$new"
  cat >"$new/payload"
  at=1
  for part in wrapper script spec record; do
    tail -c "+$at" "$new/payload" | head -c "$1" >"$new/$part"
    at=$((at + $1))
    shift
  done
  if [ "$(($(wc -c <"$new/payload") + 1))" != "$at" ]; then
    rm -rf "$new"
    die job-invalid "the job $id arrived cut short"
  fi
  rm -f "$new/payload"
  printf '%s\n' "$run" >"$new/run"
  : >"$new/log"
  sync_path "$new/wrapper" "$new/script" "$new/spec" "$new/record" "$new/run" "$new"
  claim "$new" "$J" || :
  sync_path "$S/jobs"
}

make_fifo() {
  fifo=
  [ -n "$secrets" ] || return 0
  for shm in /run /dev/shm "$S"; do
    pipes=$(mktemp -d "$shm/clusterlift.XXXXXX" 2>/dev/null) || continue
    fifo=$pipes/secrets
    mkfifo -m 600 "$fifo" && break
  done
  # printf is part of the shell: the secrets are in no argv.
  { printf '%s.\n' "$secrets" >"$fifo"; } 2>/dev/null &
  writer=$!
}

drop_fifo() {
  [ -n "$fifo" ] || return 0
  kill "$writer" 2>/dev/null || :
  rm -rf "$pipes"
}

# A service of its own: it survives the session, and the cgroup of sshd. Only the job itself may be killed with it.
launch_unit() {
  [ "$(id -u)" = 0 ] && [ -d /run/systemd/system ] || return 1
  # systemd would expand these in its command line.
  case $J in *[%$]*) return 1 ;; esac
  unit=$(printf %.180s "clusterlift-$(printf %s "$J" | cksum | cut -d ' ' -f 1)-$id").service
  printf '%s\n' "$unit" | put "$J/unit"
  systemd-run --quiet --no-block --collect --unit="$unit" --property=KillMode=process \
    --property=OOMPolicy=continue -- /bin/sh "$@" >/dev/null 2>&1 </dev/null && return 0
  # Another launcher was first: its unit will claim the job.
  unit_begins && return 0
  # Before systemd 243.
  systemd-run --quiet --no-block --unit="$unit" --property=KillMode=process \
    -- /bin/sh "$@" >/dev/null 2>&1 </dev/null && return 0
  unit_begins
}

# Queued, it is loaded and still inactive.
unit_begins() {
  unit_state=$(systemctl show --property=LoadState,ActiveState "$unit" 2>/dev/null) || return 1
  case $unit_state in *=failed*) return 1 ;; esac
  case $unit_state in *LoadState=loaded*) return 0 ;; esac
  return 1
}

launch_detached() {
  # With --fork it does not ignore SIGINT for ever, as whatever a shell starts with & does.
  setsid --fork sh "$@" </dev/null >/dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- && return 0
  if command -v setsid >/dev/null 2>&1; then
    setsid sh "$@" </dev/null >/dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
  else
    (
      trap '' HUP
      exec sh "$@"
    ) </dev/null >/dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
  fi
}

launch() {
  make_fifo
  set -- "$J/wrapper" run "$S" "$id" "$run" "$epoch" "$fifo"
  launch_unit "$@" || launch_detached "$@"
  uptime_now
  until_up=$((UP + 20))
  while [ -d "$J" ] && [ ! -d "$J/started" ] && [ "$UP" -lt "$until_up" ] && holds "$run" "$epoch"; do
    pause 0.02
    uptime_now
  done
  drop_fifo
  [ ! -d "$J" ] || [ -d "$J/started" ] || fence "$run" "$epoch"
}

start() {
  id=$2 run=$3 epoch=$4 count=$5
  shift 5
  J=$S/jobs/$id
  read_secrets
  if [ -d "$J/started" ]; then
    had=yes
    return 0
  fi
  fence "$run" "$epoch"
  [ -d "$J" ] || upload "$@"
  [ ! -d "$J" ] || had=yes
  launch
}

# look: a directory that was there and is gone is that of a job that began: it is never started again. Where the locks are
# gone, too, the state directory was removed.
look() {
  job_state "$J"
  [ "$STATE" = absent ] || return 0
  epoch_now
  [ "$LAST" != 0 ] || state_lost
  [ -z "$had" ] || STATE=dead
}

# The state first, the size of the log after it: what was written before the end is always shown.
follow() {
  J=$S/jobs/$2 offset=$3 poll=$4
  uptime_now
  follow_until=$((UP + $5)) looked=0 quick=8
  while :; do
    STATE=running
    if [ -e "$J/rc" ] || [ "$looked" -le "$UP" ]; then
      look
      looked=$((UP + 1))
    fi
    [ ! -s "$J/log" ] || size=$(wc -c <"$J/log") || size=0
    if [ "$((size))" -gt "$offset" ]; then
      tail -c "+$((offset + 1))" "$J/log" | head -c "$((size - offset))"
      offset=$((size))
    fi
    if [ "$STATE" != running ] || [ "$UP" -ge "$follow_until" ]; then
      tell
      return 0
    fi
    # Many jobs are over at once: the first looks come soon after each other.
    if [ "$quick" -gt 0 ]; then
      quick=$((quick - 1))
      pause 0.02
    else
      pause "$poll"
    fi
    uptime_now
  done
}

# age: sets RC to the seconds that the job runs, by a clock that nobody sets and that counts while nobody watches.
age() {
  { read -r begun <"$J/started/uptime"; } 2>/dev/null || return 0
  case $begun in *[!0-9]* | '') return 0 ;; esac
  uptime_now
  RC=$((UP - begun))
}

# The last thing on stderr; what the script asked for comes after the line.
tell() {
  if [ "$STATE" = running ]; then age; fi
  printf 'CLUSTERLIFT-JOB %s %s\n' "$STATE" "$RC" >&2
  if [ "$STATE" = ended ] && [ -f "$J/output" ] && [ ! -L "$J/output" ]; then head -c 8192 "$J/output" >&2; fi
}

state_path "$2"
mode=$1
shift
size=0 RC='' had=''
case $mode in
  start)
    start "$@"
    look
    tell
    ;;
  run)
    start "$@"
    while [ "$1" != -- ]; do shift; done
    shift
    follow "$S" "$id" "$@"
    ;;
  follow) follow "$@" ;;
  status)
    J=$S/jobs/$2
    job_state "$J"
    tell
    ;;
esac
