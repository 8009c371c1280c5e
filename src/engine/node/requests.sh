# shellcheck shell=sh disable=SC2154
# What is asked for on this node, until it is fulfilled: STATE RUN EPOCH KIND [JSON]
# With JSON it is asked for from now on, as by a script; without, it is forgotten.
state_path "$1"
fence "$2" "$3"
case $4 in provision | reboot) ;; *) die request-invalid "nobody can ask for $4" ;; esac
if [ -n "${5-}" ]; then
  printf '%s,"time":%s}\n' "${5%\}}" "$(date +%s)" | put "$S/requests/$4"
else
  rm -f "$S/requests/$4"
fi
sync_path "$S/requests"
