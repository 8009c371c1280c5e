# shellcheck shell=sh disable=SC2154
# Cuts the files out of a staged image, without mounting it: unpack STATE SHA RUN EPOCH LIST
# stdin, a line an entry, paths for printf %b:
#   d MODE PATH | f MODE SIZE OFFSET:LENGTH,… SHA256 PATH | l TARGET PATH | x MODE CONTENT PATH | end COUNT
# Without the last line it was cut short on its way. Each file is compared with its digest (`-`: not known). All goes into
# a new directory that gets its name once everything is there and synced. LIST is the digest of all lines: what was
# unpacked by another list of the same image does not count.

# plain WORD: sets PLAIN. Most names need no decoding, and a subshell each would cost.
plain() {
  case $1 in
    *\\*) PLAIN=$(printf '%bx' "$1") && PLAIN=${PLAIN%x} ;;
    *) PLAIN=$1 ;;
  esac
}

# cut OFFSET LENGTH: those bytes of the image, by one process where dd can count bytes.
# Else by blocks: extents begin at multiples of 2048; larger blocks where they fit.
cut() {
  if [ "$counts_bytes" = yes ]; then
    dd if="$P/image.iso" bs=1048576 skip="$1" count="$2" iflag=skip_bytes,count_bytes 2>/dev/null
    return
  fi
  block=2048
  while [ "$block" -lt 1048576 ] && [ "$(($1 % (block * 2)))" = 0 ] && [ "$2" -ge "$((block * 2))" ]; do block=$((block * 2)); done
  dd if="$P/image.iso" bs="$block" skip="$(($1 / block))" count="$((($2 + block - 1) / block))" 2>/dev/null | head -c "$2"
}

# Bytes of all files. One number a file, so that no name matters.
sum_of() {
  SUM=0
  find "$1" -type f -exec stat -c %s {} + >"$P/sizes.$$" 2>/dev/null ||
    find "$1" -type f -exec cat {} + | wc -c >"$P/sizes.$$"
  while read -r one_size; do SUM=$((SUM + one_size)); done <"$P/sizes.$$"
  rm -f "$P/sizes.$$"
}

extents() {
  rest=$1
  while [ -n "$rest" ]; do
    one=${rest%%,*}
    case $rest in *,*) rest=${rest#*,} ;; *) rest= ;; esac
    cut "${one%%:*}" "${one#*:}"
  done
}

# expect FILE DIGEST: FILE is PLAIN below the new directory. Names that a list cannot hold are compared at once.
expect() {
  case $PLAIN in
    *\\* | *"$lf"* | *"$cr"*)
      digest "$1"
      [ "$DIGEST" = "$2" ] || die unpack-failed "a file is not the one that was verified"
      ;;
    *) printf '%s  %s\n' "$2" "$PLAIN" >&4 ;;
  esac
}

# Compares all files that are listed in $P/sums.$$.
compare() {
  [ -s "$P/sums.$$" ] || return 0
  if command -v sha256sum >/dev/null 2>&1; then
    (cd "$new" && sha256sum -c "$P/sums.$$" >/dev/null 2>&1) || die unpack-failed "the files are not those that were verified"
    return 0
  fi
  while IFS= read -r sums_line; do
    digest "$new/${sums_line#*  }"
    [ "$DIGEST" = "${sums_line%%  *}" ] || die unpack-failed "a file is not the one that was verified"
  done <"$P/sums.$$"
}

# Modes are set many at a time: the positional parameters are the files that wait for mode $waiting.
wants_mode() {
  [ "$1" = "$waiting" ] && [ "$2" -lt 200 ]
}

state_path "$1"
sha=$2 list=$5
fence "$3" "$4"
P=$S/packages/$sha
[ -f "$P/image.iso" ] || die stage-missing "the package $sha is not staged"
unpacked=
{ read -r unpacked <"$P/unpacked"; } 2>/dev/null || :
if [ -d "$P/files" ] && [ "$unpacked" = "$list" ]; then
  cat >/dev/null
  exit 0
fi
rm -rf "$P"/files.new.* "$P"/sums.*
lf='
'
cr=$(printf '\r')
exec 4>"$P/sums.$$"
new=$P/files.new.$$
umask 022
mkdir "$new"
counts_bytes=no
[ "$(printf abcdef | dd bs=4 skip=1 count=3 iflag=skip_bytes,count_bytes 2>/dev/null)" != bcd ] || counts_bytes=yes
expected=0 count=0 end='' waiting=''
set --
while read -r kind a b c d e; do
  count=$((count + 1))
  case $kind in
    d)
      plain "$b"
      mkdir -p "$new/$PLAIN"
      ;;
    f)
      plain "$e"
      target=$new/$PLAIN
      if [ "$b" = 0 ]; then : >"$target"; else extents "$c" >"$target"; fi
      [ "$d" = - ] || expect "$target" "$d"
      # What umask 022 gives needs no chmod.
      if [ "$a" != 644 ]; then
        if [ $# -gt 0 ] && ! wants_mode "$a" $#; then
          chmod "$waiting" "$@"
          set --
        fi
        waiting=$a
        set -- "$@" "$target"
      fi
      expected=$((expected + b))
      ;;
    l)
      plain "$a"
      link=$PLAIN
      plain "$b"
      ln -s -- "$link" "$new/$PLAIN"
      ;;
    x)
      plain "$c"
      target=$new/$PLAIN
      mkdir -p "${target%/*}"
      printf %b "$b" >"$target"
      expected=$((expected + $(wc -c <"$target")))
      chmod "$a" "$target"
      ;;
    end) end=$a ;;
    *) die unpack-failed "an entry of kind $kind is not known" ;;
  esac
done
[ "$end" = "$((count - 1))" ] || die unpack-failed "the list of files was cut short"
[ $# = 0 ] || chmod "$waiting" "$@"
sum_of "$new"
[ "$SUM" = "$expected" ] || die unpack-failed "the files have $SUM bytes instead of $expected"
exec 4>&-
compare
rm -f "$P/sums.$$"
# The whole file system at once: faster than file by file.
sync -f "$new" 2>/dev/null || sync
rm -rf "$P/unpacked" "$P/files"
mv "$new" "$P/files"
printf '%s\n' "$list" | put "$P/unpacked"
sync_path "$P"
emit bytes "$expected"
