# shellcheck shell=sh disable=SC2154,SC2088
# Packages that lie on a node, seen by the login user.
# list DIR…       images in these directories: path, size, time of change
# find NAME DIR…  one file: absolute, or by its name in these directories
# digest PATH     its sha256
MOST=200

expand() {
  case $1 in
    '~') DIR=$HOME ;;
    '~/'*) DIR=$HOME/${1#??} ;;
    *) DIR=$1 ;;
  esac
}

tell() {
  [ -f "$1" ] && [ -r "$1" ] || return 0
  # GNU and busybox know -c; others tell the size only.
  told=$(stat -L -c '%s %Y' "$1" 2>/dev/null) || told="$(($(wc -c <"$1"))) 0"
  emit file "$told $1"
}

mode=$1
shift
case $mode in
  list)
    count=0
    for each in "$@"; do
      expand "$each"
      for file in "$DIR"/*.iso "$DIR"/*.ISO; do
        [ -f "$file" ] || continue
        count=$((count + 1))
        [ "$count" -le "$MOST" ] || die packages-many "more than $MOST images lie in $*"
        tell "$file"
      done
    done
    ;;
  find)
    name=$1
    shift
    case $name in
      /*) tell "$name" ;;
      '~/'*)
        expand "$name"
        tell "$DIR"
        ;;
      *)
        for each in "$@"; do
          expand "$each"
          [ ! -f "$DIR/$name" ] || { tell "$DIR/$name"; break; }
        done
        ;;
    esac
    ;;
  digest)
    [ -f "$1" ] || die stage-source "$1 is no regular file"
    if command -v openssl >/dev/null 2>&1; then
      digest=$(openssl dgst -sha256 <"$1") && digest=${digest##* }
    else
      digest=$(sha256sum <"$1") && digest=${digest%% *}
    fi
    emit digest "$digest"
    ;;
esac
