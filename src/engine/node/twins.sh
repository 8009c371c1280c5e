# shellcheck shell=sh disable=SC2154
# STATE MARK: lays a mark where the state directory is, or would be. When stdin says that all others did the same, or ends,
# it tells which marks are there, and removes its own.
state_path "$1"
existing "$S"
own=$NEAREST/.clusterlift-mark.$2
trap 'rm -f "$own"' EXIT
trap 'exit 1' HUP INT PIPE TERM
# Nothing that is there already is written to: -C opens with O_EXCL.
if (set -C && : >"$own") 2>/dev/null; then emit laid yes; else emit laid no; fi
read -r _ || :
count=0
for mark in "$NEAREST"/.clusterlift-mark.*; do
  if [ ! -f "$mark" ] || [ -L "$mark" ] || [ ! -O "$mark" ]; then continue; fi
  count=$((count + 1))
  [ "$count" -le 1000 ] || break
  emit mark "${mark##*.clusterlift-mark.}"
done
