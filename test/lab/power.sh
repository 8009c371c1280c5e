#!/bin/sh
# Stands in for reboot, shutdown, poweroff, halt and systemctl on a lab node: PID 1 tells the lab.
name=${0##*/}
signal=
case "$name $*" in
  'systemctl reboot'* | 'reboot'* | 'shutdown -r'*) signal=USR1 ;;
  'systemctl poweroff'* | 'systemctl halt'* | 'poweroff'* | 'halt'* | 'shutdown'*) signal=USR2 ;;
esac
if [ -n "$signal" ]; then
  kill -s "$signal" 1
  exit
fi
echo "System has not been booted with systemd as init system (PID 1). Can't operate." >&2
exit 1
