# shellcheck shell=sh disable=SC2154
# STATE RUN EPOCH PRODUCT SHA MANIFEST FROM SIZE RECORD
# The upgrade came to its proven end. stdin: MANIFEST bytes of the manifest, then the paths of the scripts, one a line, for printf %b.
# SIZE is that of all that. FROM is the directory of the unpacked package. What is installed answers status and provision without a package from then on.
# RECORD is for a node that lost its own with the state directory; empty: there must be one.
plain() {
  case $1 in
    *\\*) PLAIN=$(printf '%bx' "$1") && PLAIN=${PLAIN%x} ;;
    *) PLAIN=$1 ;;
  esac
}

state_path "$1"
fence "$2" "$3"
D=$S/installed/$4
record=$D/record.json
if [ ! -f "$record" ]; then
  [ -n "${9:-}" ] || die record-missing "there is no record of an upgrade of $4"
  mkdir -p "$D"
  printf '%s' "$9" | put "$record"
fi
payload=$D/.payload.$$
trap 'rm -f "$payload"' EXIT
cat >"$payload"
[ "$(($(wc -c <"$payload")))" = "$8" ] || die record-missing "the list of scripts was cut short"
head -c "$6" <"$payload" | put "$D/manifest.json"
rm -rf "$D"/files.new.*
new=$D/files.new.$$
mkdir -p "$new"
tail -c "+$(($6 + 1))" <"$payload" | while IFS= read -r path; do
  plain "$path"
  case $PLAIN in */*) mkdir -p "$new/${PLAIN%/*}" ;; esac
  cp -p "$7/$PLAIN" "$new/$PLAIN"
done
chmod -R u+rwX,go+rX "$new"
rm -rf "$D/files.old"
[ ! -d "$D/files" ] || mv "$D/files" "$D/files.old"
mv "$new" "$D/files"
rm -rf "$D/files.old"
sed -e "s/^\"state\":\"[a-z-]*\"/\"state\":\"done\"/" -e "s/^\"time\":[0-9]*/\"time\":$(date +%s)/" "$record" | put "$record"
sync_path "$D" "$S/installed"
emit finished yes
