# shellcheck shell=sh disable=SC2154
# The scripts that the last upgrade left on a node: DIR MOST-FILE MOST-ALL
# An entry `path`, then `content` each; what is larger, or has a strange name, is left out.
cd "$1" 2>/dev/null || exit 0
room=$3
find . -type f ! -name '*[[:cntrl:]]*' | sort | while IFS= read -r path; do
  size=$(($(wc -c <"$path")))
  if [ "$size" -gt "$2" ] || [ "$size" -gt "$room" ]; then continue; fi
  room=$((room - size))
  emit path "${path#./}"
  printf 'content %s\n' "$size"
  head -c "$size" "$path"
  echo
done
