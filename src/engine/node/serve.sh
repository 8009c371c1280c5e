# shellcheck shell=sh
# Gives a file that may still be growing to the next node: on stdout, from an offset, until stdin ends. It holds the file
# open, so it may be renamed or removed meanwhile. The reader knows when it has enough.
# $1 offset, then the paths where the file may be, in this order
set -u
offset=$1
shift

find_file() {
  for file in "$@"; do
    [ -f "$file" ] && [ ! -L "$file" ] && { command exec 3<"$file"; } 2>/dev/null && return 0
  done
  return 1
}

looks=0
until find_file "$@"; do
  looks=$((looks + 1))
  [ "$looks" -lt 150 ] || exit 1
  sleep 0.2 2>/dev/null || sleep 1
done

exec 4<&0
{ cat <&4; kill $$; } >/dev/null 2>&1 &
trap 'exit 0' TERM

# The reader may have more than we have yet. A file that is gone from its place, now or meanwhile, is whole.
size_of() {
  size=$(wc -c <"$1") || size=$offset
  size=$((size))
} 2>/dev/null
while size_of "$file" && [ "$size" -lt "$offset" ]; do sleep 1; done
tail -c "+$((offset + 1))" <&3 || exit 1
while :; do
  sleep 0.1 2>/dev/null || sleep 1
  cat <&3 || exit 1
done
