#!/bin/sh
# First part of every script of the test product. Notes its start and end, and does what the test asked for on this node:
#   /var/acme-knobs/SCRIPT.sleep  seconds      /var/acme-knobs/SCRIPT.fail    exit status (after the work)
#   /var/acme-knobs/SCRIPT.wait   blocks while it exists   SCRIPT.ask  lines for $CLUSTERLIFT_OUTPUT   SCRIPT.run  sh text
# Times are of the kernel, so that nodes of one machine can be compared whatever their clocks say.
script=${0##*/}
knobs=/var/acme-knobs
note() {
  read -r up _ < /proc/uptime
  printf '%s %s %s %s\n' "$script" "$1" "$up" "${CLUSTERLIFT_RUN:--}" >> /var/log/acme.log
}
note start
trap 'note "end:$?"' EXIT
mkdir -p /etc/acme /opt/acme /var/lib/acme
echo "$script on $CLUSTERLIFT_NODE: ${CLUSTERLIFT_FROM:-nothing} -> ${CLUSTERLIFT_TO:-}"
if [ -e "$knobs/$script.sleep" ]; then sleep "$(cat "$knobs/$script.sleep")"; fi
while [ -e "$knobs/$script.wait" ]; do sleep 0.1; done
if [ -e "$knobs/$script.ask" ]; then cat "$knobs/$script.ask" >> "$CLUSTERLIFT_OUTPUT"; fi
# shellcheck source=/dev/null
if [ -e "$knobs/$script.run" ]; then . "$knobs/$script.run"; fi
fail() {
  if [ -e "$knobs/$script.fail" ]; then
    echo "$script: told to fail on $CLUSTERLIFT_NODE" >&2
    exit "$(cat "$knobs/$script.fail")"
  fi
}
