#!/bin/sh
# Stands before a tool of a node, as /usr/local/bin/TOOL. The N-th call whose words fit the pattern in
# /var/acme-knobs/hold waits for as long as that file is there.
tool=${0##*/}
hold=/var/acme-knobs/hold
if [ -e "$hold" ] && { read -r n && IFS= read -r pattern; } <"$hold"; then
  # shellcheck disable=SC2254
  case "$tool $*" in
    $pattern)
      echo >>"$hold.calls"
      if [ "$(($(wc -l <"$hold.calls")))" = "$n" ]; then
        : >"$hold.held"
        while [ -e "$hold" ]; do sleep 0.05; done
      fi
      ;;
  esac
fi
exec "/usr/bin/$tool" "$@"
