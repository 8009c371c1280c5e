# shellcheck shell=sh disable=SC2034,SC2154
# Lays the files of a restore point's package beside its run: STATE RUN EPOCH SPECSIZE SIZE
# stdin: the spec, `file MODE SIZE PATH` a line, then the contents.
state_path "$1"
fence "$2" "$3"
R=$S/runs/$2
if [ -d "$R/files" ]; then
  cat >/dev/null
  exit 0
fi
mkdir -p "$R"
rm -rf "$R"/files.new.*
new=$R/files.new.$$
trap 'rm -rf "$new"' EXIT
umask 022
mkdir "$new"
cat >"$new/.payload"
[ "$(($(wc -c <"$new/.payload")))" = "$5" ] || die job-invalid "the scripts arrived cut short"
head -c "$4" "$new/.payload" >"$new/.spec"
at=$(($4 + 1))
while IFS= read -r line; do
  rest=${line#file }
  size=${rest#* }
  write_file "$new/.payload" "$new" "${rest%% *}" "${size%% *}" "${size#* }"
done <"$new/.spec"
rm -f "$new/.payload" "$new/.spec"
sync -f "$new" 2>/dev/null || sync
mv "$new" "$R/files"
sync_path "$R"
