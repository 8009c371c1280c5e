# shellcheck shell=sh disable=SC2154
# Requests of scripts that are fulfilled now: STATE RUN EPOCH KIND…
state_path "$1"
fence "$2" "$3"
shift 3
for kind in "$@"; do
  case $kind in provision | reboot) rm -f "$S/requests/$kind" ;; esac
done
sync_path "$S/requests"
