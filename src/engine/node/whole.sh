# shellcheck shell=sh
# For mirror.sh and holding.sh.

# emit_whole KEY PATH MAX: a file as an entry, without holding it in a variable.
emit_whole() {
  [ -f "$2" ] || return 0
  whole=$(($(wc -c <"$2")))
  [ "$whole" -le "$3" ] || whole=$3
  printf '%s %s\n' "$1" "$whole"
  head -c "$whole" "$2"
  echo
}
