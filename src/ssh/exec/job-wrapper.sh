# shellcheck shell=sh disable=SC2154
# What a job is, on the node: claims its directory, runs the script once, reports how it ended. It outlives the connection that started it.
#
# run STATE ID RUN EPOCH FIFO   claims, checks the fence, runs the script, writes rc
# script STATE ID               becomes the script; only ever started by `run`

# read_secrets FIFO: NAME=value lines up to a dot become variables of the script, and stand nowhere else.
# Before the claim: a launcher that died has started nothing.
read_secrets() {
  [ -p "$1" ] || exit 0
  # Open both ways: neither blocks when the other side is gone.
  exec 3<>"$1"
  { sleep 20; echo '!'; } >&3 2>/dev/null &
  read_timer=$!
  while :; do
    IFS= read -r secret <&3
    case $secret in
      .) break ;;
      '!')
        rm -rf "${1%/*}"
        exit 0
        ;;
    esac
    unescape "${secret#*=}"
    export "${secret%%=*}=$VALUE"
  done
  exec 3<&-
  kill "$read_timer" 2>/dev/null || :
  rm -rf "${1%/*}"
}

claim_job() {
  pid_start $$
  mine=$J/.claim.$$
  mkdir "$mine"
  printf '%s %s\n' $$ "$START" >"$mine/pid"
  printf '%s\n' "$BOOT" >"$mine/boot_id"
  { read -r claimed _ </proc/uptime && printf '%s\n' "${claimed%%.*}" >"$mine/uptime"; } 2>/dev/null || :
  sync_path "$mine/pid" "$mine/boot_id" "$mine"
}

# Nothing ran, so the holder of the lock may start the job again.
unclaim() {
  echo 'Clusterlift: not started, because the lock was taken over'
  mv "$J/started" "$mine"
  rm -rf "$mine"
  exit 0
}

finish() {
  printf '%s\n' "$1" | put "$J/rc"
  sync_path "$J"
  exit 0
}

# spec KEY: the value of a line of the spec; nothing when there is none.
spec() {
  VALUE=
  while IFS= read -r spec_line; do
    case $spec_line in
      "$1 "*) unescape "${spec_line#"$1" }" ;;
    esac
  done <"$J/spec"
}

# mark_change RUN EPOCH: a plan that was made before this change is recognized as old by it.
mark_change() {
  spec changes
  [ -n "$VALUE" ] || return 0
  marked=
  { IFS= read -r marked <"$S/lock/changed"; } 2>/dev/null || :
  [ "$marked" = "$2 $1" ] || printf '%s %s\n' "$2" "$1" | put "$S/lock/changed"
}

begin_record() {
  spec product
  product=$VALUE
  [ -n "$product" ] || return 0
  mkdir -p "$S/installed/$product"
  record=$S/installed/$product/record.json
  sed "s/^\"time\":[0-9]*/\"time\":$(date +%s)/" "$J/record" | put "$record"
  sync_path "$S/installed/$product" "$S/installed"
}

# end_record STATE: before rc, so that the record is there when rc is.
end_record() {
  [ -n "$product" ] || return 0
  sed -e "s/^\"state\":\"[a-z-]*\"/\"state\":\"$1\"/" -e "s/^\"time\":[0-9]*/\"time\":$(date +%s)/" "$record" | put "$record"
}

# Requests outlive the job and the run, until they are fulfilled.
keep_requests() {
  spec request
  if [ -z "$VALUE" ] || [ ! -f "$J/output" ] || [ -L "$J/output" ]; then return 0; fi
  head -c 8192 "$J/output" | while IFS= read -r request || [ -n "$request" ]; do
    case $request in
      provision=required | reboot=required)
        printf '%s,"time":%s}\n' "${VALUE%\}}" "$(date +%s)" | put "$S/requests/${request%%=*}"
        ;;
    esac
  done
  sync_path "$S/requests"
}

run_job() {
  exec </dev/null >>"$J/log" 2>&1
  [ -z "$5" ] || read_secrets "$5"
  claim_job
  claim "$mine" "$J/started" || exit 0
  sync_path "$J"
  # After the claim: a taker-over looks for claims after its own one, so one of us two sees the other.
  holds "$3" "$4" || unclaim
  mark_change "$3" "${4%%:*}"
  begin_record
  : >"$J/output"
  rc=0
  sh "$J/wrapper" script "$1" "$2" || rc=$?
  keep_requests
  if [ "$rc" = 0 ]; then end_record script-ok; else end_record failed; fi
  finish "$rc"
}

become_script() {
  pid_start $$
  printf '%s %s\n' $$ "$START" >"$J/child.new"
  mv -f "$J/child.new" "$J/child"
  # A look between the end of our parent and this line finds no living process: then nothing may start.
  lives "$J/started/pid" || exit 125
  plain_environment
  export CLUSTERLIFT_OUTPUT="$J/output"
  directory=/ command=
  set --
  while IFS= read -r spec_line; do
    unescape "${spec_line#* }"
    case $spec_line in
      'cwd '*) directory=$VALUE ;;
      'command '*) command=$VALUE ;;
      'arg '*) set -- "$@" "$VALUE" ;;
      'env '*) export "${VALUE%%=*}=${VALUE#*=}" ;;
    esac
  done <"$J/spec"
  umask 022
  cd "$directory" || exit 126
  if [ -z "$command" ]; then exec sh "$J/script" "$@"; fi
  set -- "$command" "$@"
  # A package without Rock Ridge has no modes: then the file is a shell script.
  [ -x "$1" ] || set -- sh "$@"
  exec "$@"
}

state_path "$2"
J=$S/jobs/$3
case $1 in
  run)
    shift
    run_job "$@"
    ;;
  script) become_script ;;
esac
