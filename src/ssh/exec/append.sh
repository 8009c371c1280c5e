# Appends stdin to a file, if the file has exactly the expected size.
# $1 path (~/ is the home directory), $2 expected size in bytes; 0: the file may be missing
# Exit: 93 another size (which is on stdout), 94 no such file, else that of cat.
set -u
case $1 in
  \~/*) path=$HOME/${1#\~/} ;;
  /*) path=$1 ;;
  *) path=./$1 ;;
esac
umask 077
size=0
if [ "$2" -ne 0 ] || [ -e "$path" ]; then
  [ -f "$path" ] || { echo "not a file: $path" >&2; exit 94; }
  # busybox counts by reading, so wc is only the last resort
  size=$(stat -L -c %s "$path" 2>/dev/null) || size=$(wc -c <"$path") || exit 94
  size=$((size))
fi
if [ "$size" -ne "$2" ]; then
  echo "$size"
  exit 93
fi
exec cat >>"$path"
