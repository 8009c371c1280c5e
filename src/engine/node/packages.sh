# shellcheck shell=sh disable=SC2154,SC2088
# Packages that lie on a node, seen by the login user.
# list DIR…       images in these directories: path, size, time of change
# find NAME DIR…  one file: absolute, or by its name in these directories
# digest PATH     its sha256
# owners PATH     whose it is, and every directory above it, without links
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

# A group with the login user alone: where every user has one, files are made writable by it.
private_group() {
  gid=$(id -g) name=$(id -un)
  members=$(getent group "$gid" 2>/dev/null || grep "^[^:]*:[^:]*:$gid:" /etc/group) || return 0
  case ${members##*:} in '' | "$name") ;; *) return 0 ;; esac
  others=$(getent passwd 2>/dev/null || cat /etc/passwd)
  printf '%s\n' "$others" | {
    while IFS=: read -r other _ _ other_gid _; do
      if [ "$other_gid" = "$gid" ] && [ "$other" != "$name" ]; then exit 0; fi
    done
    emit private-group "$gid"
  }
}

owners() {
  real=$(readlink -f "$1" 2>/dev/null && echo x) || real=$1/x
  real=${real%?x}
  [ -f "$real" ] || die stage-source "$1 is no regular file"
  emit path "$real"
  emit uid "$(id -u)"
  # shellcheck disable=SC2012
  emit owner "$(ls -ld "$real" | { read -r _ _ user _; printf %s "$user"; })"
  private_group
  while :; do
    # shellcheck disable=SC2012
    emit part "$(ls -ldn "$real" | { read -r bits _ uid gid _; printf '%s %s %s' "$bits" "$uid" "$gid"; }) $real"
    [ "$real" != / ] || break
    real=${real%/*}
    real=${real:-/}
  done
}

mode=$1
shift
case $mode in
  owners) owners "$1" ;;
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
