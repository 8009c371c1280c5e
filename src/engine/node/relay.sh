# shellcheck shell=sh disable=SC2154
# Fetches the rest of a file from another node by ssh, and appends it to a part here; as the login user, with an agent that
# lets us in there once. It ends with our stdin, which says nothing after its first line.
#
# $1 USER $2 ADDRESS $3 PORT $4 HOSTKEY   whom to log in to, and the only host key that it may show
# $5 COMMAND                              what the login shell there starts
# $6 MARK                                 a line that ends the noise of the login there
# $7 PART $8 OFFSET $9 SIZE               what to append to, its size now, and when it is whole
# ${10} IDLE                              seconds without a byte until it is given up
# stdin: the line for COMMAND. stdout: at BYTES …

pause() {
  sleep 0.25 2>/dev/null || sleep 1
}

size_now() {
  SIZE=0
  [ ! -f "$part" ] || SIZE=$(($(wc -c <"$part")))
}

clean() {
  end_ssh
  rm -rf "$T"
}

end_ssh() {
  if lives "$T/ssh"; then
    read -r ssh_pid _ <"$T/ssh"
    kill "$ssh_pid" 2>/dev/null || :
  fi
}

connect() {
  # shellcheck disable=SC2016
  sh -c 'printf "%s %s\n" $$ "$(cut -d " " -f 22 /proc/$$/stat)" >"$1"; shift; exec "$@"' sh "$T/ssh" \
    ssh -T -a -x -F none -l "$user" -p "$port" -o BatchMode=yes -o StrictHostKeyChecking=yes \
    -o "UserKnownHostsFile=\"$T/known_hosts\"" -o GlobalKnownHostsFile=/dev/null -o HostKeyAlias=clusterlift \
    -o UpdateHostKeys=no -o IdentityFile=none -o PreferredAuthentications=publickey -o ControlMaster=no -o ControlPath=none \
    -o ConnectTimeout=15 -o ServerAliveInterval=5 -o ServerAliveCountMax=3 -o Compression=no -o LogLevel=ERROR \
    -- "$address" "$command" 2>"$T/err"
}

# Exactly what is missing, whatever comes.
receive() {
  while IFS= read -r noise; do
    [ "$noise" != "$mark" ] || break
  done
  head -c "$((whole - offset))" >>"$part" || :
  : >"$T/over"
}

user=$1 address=$2 port=$3 key=$4 command=$5 mark=$6 part=$7 offset=$8 whole=$9
shift 9
idle=$1
command -v ssh >/dev/null 2>&1 || die relay-failed "it has no ssh"
[ -n "${SSH_AUTH_SOCK:-}" ] || die relay-failed "its SSH server forwards no agent"
IFS= read -r line || die relay-failed "the request arrived cut short"
size_now
[ "$SIZE" = "$offset" ] || die relay-failed "the part has $SIZE bytes instead of $offset"
T=$(mktemp -d "${TMPDIR:-/tmp}/clusterlift.XXXXXX") || die relay-failed "it cannot make a temporary directory"
trap clean EXIT
trap 'exit 1' HUP INT TERM
trap '' PIPE
printf 'clusterlift %s\n' "$key" >"$T/known_hosts"

exec 4<&0
{
  {
    printf '%s\n' "$line"
    exec cat <&4
  } | connect | receive
} >/dev/null 2>&1 &
last=$offset quiet=0
# The first of the pipe lasts as long as our stdin.
until [ -e "$T/over" ]; do
  pause
  size_now
  printf 'at %s\n' "$SIZE" 2>/dev/null || exit 1
  quiet=$((quiet + 1))
  [ "$SIZE" = "$last" ] || quiet=0
  last=$SIZE
  [ "$quiet" -lt "$((idle * 4))" ] || die relay-failed "nothing came for $idle s"
done
size_now
printf 'at %s\n' "$SIZE" 2>/dev/null || exit 1
if [ "$SIZE" -lt "$whole" ]; then
  die relay-failed "$(tail -n 1 "$T/err" 2>/dev/null | tr -d '\r' | cut -c 1-200 | grep . || echo "the other node sent too little")"
fi
