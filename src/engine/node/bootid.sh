# shellcheck shell=sh disable=SC2154
# Tells which boot this is.
emit boot "$BOOT"
