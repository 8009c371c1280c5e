# shellcheck shell=sh disable=SC2154
# STATE RUN EPOCH PRODUCT HAS
# The change of a product failed, and HAS (JSON, without spaces) is the version that the node has now. A record that came to
# its proven end, or is not of RUN, stays as it is.
state_path "$1"
fence "$2" "$3"
D=$S/installed/$4
record=$D/record.json
# As the text of a replacement of sed.
has=$(printf '%s' "$5" | sed 's|[\\/&]|\\&|g')
if [ -f "$record" ] && grep -qxF "\"run\":\"$2\"," "$record" && ! grep -qx '"state":"done",' "$record"; then
  sed -e 's/^"state":"[a-z-]*"/"state":"failed"/' -e "s/^\"time\":[0-9]*,.*/\"time\":$(date +%s),\"has\":$has,/" "$record" | put "$record"
  sync_path "$D"
fi
emit noted yes
