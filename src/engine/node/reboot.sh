#!/bin/sh
# The job that restarts a node: BOOTID, as it was when the restart was decided. Plain sh: it is a script of a job.
# It ends well before the machine goes down, so that its result can be read.
now=
{ read -r now </proc/sys/kernel/random/boot_id; } 2>/dev/null || :
if [ "$now" != "$1" ]; then
  echo "The machine has restarted already"
  exit 0
fi
command -v systemctl >/dev/null 2>&1 || command -v reboot >/dev/null 2>&1 || command -v shutdown >/dev/null 2>&1 || exit 127
go='sleep 1; sync; systemctl reboot || reboot || shutdown -r now'
setsid --fork sh -c "$go" </dev/null >/dev/null 2>&1 || setsid sh -c "$go" </dev/null >/dev/null 2>&1 &
echo "The machine restarts"
