# shellcheck shell=sh disable=SC2154
# Which boot this is, and the seconds since then: a clock that nobody sets, and that counts while the machine sleeps.
emit boot "$BOOT"
read -r uptime _ </proc/uptime
emit uptime "$uptime"
