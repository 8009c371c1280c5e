# shellcheck shell=sh disable=SC2154
# Cuts the files out of a staged image, without mounting it: unpack STATE SHA RUN EPOCH
# stdin, a line an entry, paths for printf %b:
#   d MODE PATH | f MODE SIZE OFFSET:LENGTH,… PATH | l TARGET PATH | x MODE CONTENT PATH | end COUNT
# Without the last line it was cut short on its way. All goes into a new directory that gets its name once everything is there and synced.

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

# Modes are set many at a time: the positional parameters are the files that wait for mode $waiting.
wants_mode() {
  [ "$1" = "$waiting" ] && [ "$2" -lt 200 ]
}

state_path "$1"
sha=$2
fence "$3" "$4"
P=$S/packages/$sha
[ -f "$P/image.iso" ] || die stage-missing "the package $sha is not staged"
[ ! -d "$P/files" ] || { cat >/dev/null; exit 0; }
rm -rf "$P"/files.new.*
new=$P/files.new.$$
umask 022
mkdir "$new"
counts_bytes=no
[ "$(printf abcdef | dd bs=4 skip=1 count=3 iflag=skip_bytes,count_bytes 2>/dev/null)" != bcd ] || counts_bytes=yes
expected=0 count=0 end='' waiting=''
set --
while read -r kind a b c d; do
  count=$((count + 1))
  case $kind in
    d)
      plain "$b"
      mkdir -p "$new/$PLAIN"
      ;;
    f)
      plain "$d"
      target=$new/$PLAIN
      if [ "$b" = 0 ]; then : >"$target"; else extents "$c" >"$target"; fi
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
if [ -f "$new/SHA256SUMS" ] && command -v sha256sum >/dev/null 2>&1; then
  (cd "$new" && sha256sum -c SHA256SUMS >/dev/null 2>&1) || die unpack-failed "the files do not fit SHA256SUMS"
fi
# The whole file system at once: faster than file by file.
sync -f "$new" 2>/dev/null || sync
mv "$new" "$P/files"
sync_path "$P"
emit bytes "$expected"
