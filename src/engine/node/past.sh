# shellcheck shell=sh disable=SC2154
# STATE
# What a plan is compared with under the lock: the run that last changed the node, its records, and what it still waits for.
state_path "$1"
emit_file changed "$S/lock/changed" 400
for kind in provision reboot; do
  [ ! -f "$S/requests/$kind" ] || emit request "$kind"
done
count=0
for product in "$S"/installed/*; do
  [ -d "$product" ] || continue
  count=$((count + 1))
  [ "$count" -le 20 ] || break
  emit product "${product##*/}"
  emit_file record "$product/record.json" 65536
  emit_file manifest "$product/manifest.json" 262144
  [ ! -d "$product/files" ] || emit files "$product/files"
done
