# shellcheck shell=sh disable=SC2154
# write_file PAYLOAD INTO MODE SIZE PATH: the next SIZE bytes of the payload, from $at on, become a file. PATH is for printf %b.
write_file() {
  unescape "$5"
  case $VALUE in
    /* | ../* | */../* | */.. | .. | '') die unpack-path "the package holds an unsafe path" ;;
  esac
  case $VALUE in */*) mkdir -p "$2/${VALUE%/*}" ;; esac
  tail -c "+$at" "$1" | head -c "$4" >"$2/$VALUE"
  chmod "$3" "$2/$VALUE"
  at=$((at + $4))
}
