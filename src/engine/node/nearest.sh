# shellcheck shell=sh
# existing PATH: sets NEAREST to it, or to the nearest directory above it that is there.
existing() {
  NEAREST=$1
  while [ ! -e "$NEAREST" ] && [ "$NEAREST" != / ] && [ -n "$NEAREST" ]; do
    case $NEAREST in
      */*) NEAREST=${NEAREST%/*} ;;
      *) NEAREST=. ;;
    esac
  done
  NEAREST=${NEAREST:-/}
}
