# shellcheck shell=sh disable=SC2154
# Brings an image into the state directory: packages/<sha256>/image.iso is there only once its digest was right.
#
# incoming SHA SIZE                        as the login user: makes ~/.cache/clusterlift/incoming, tells path and size of the part
# begin STATE SHA SIZE RUN EPOCH SPACE     tells complete (yes/no), and path and size of the part in the state directory
# finish STATE SHA SIZE RUN EPOCH FROM     FROM: '' = the part in the state directory, else a file that is copied there first
# discard SHA                              as the login user: removes the part in incoming

size_of() {
  SIZE_OF=0
  [ ! -f "$1" ] || SIZE_OF=$(($(wc -c <"$1")))
}

# Free bytes where the state directory lies.
free_bytes() {
  FREE=$(df -Pk "$S" | { read -r _; read -r _ _ _ free_kb _; printf %s "$free_kb"; })
  FREE=$((FREE * 1024))
}

# A part that is longer than the image is none.
incoming() {
  dir=$HOME/.cache/clusterlift/incoming
  (umask 077 && mkdir -p "$dir") || die stage-space "cannot make $dir"
  chmod 700 "$dir"
  part=$dir/$1.part
  # Only a file of ours is appended to.
  if [ -L "$part" ] || { [ -e "$part" ] && [ ! -f "$part" ]; }; then rm -rf "$part"; fi
  [ ! -f "$part" ] || sync_path "$part"
  size_of "$part"
  if [ "$SIZE_OF" -gt "$2" ]; then
    rm -f "$part"
    SIZE_OF=0
  fi
  emit path "$part"
  emit offset "$SIZE_OF"
}

begin() {
  state_path "$1"
  fence "$4" "$5"
  P=$S/packages/$2
  mkdir -p "$P"
  size_of "$P/image.iso"
  if [ "$SIZE_OF" = "$3" ]; then
    emit complete yes
    return 0
  fi
  rm -f "$P/image.iso"
  [ ! -f "$P/image.iso.part" ] || sync_path "$P/image.iso.part"
  size_of "$P/image.iso.part"
  if [ "$SIZE_OF" -gt "$3" ]; then
    rm -f "$P/image.iso.part"
    SIZE_OF=0
  fi
  free_bytes
  [ "$((FREE + SIZE_OF))" -ge "$6" ] || die stage-space "$S has $FREE bytes free, and the package needs $6"
  emit complete no
  emit path "$P/image.iso.part"
  emit offset "$SIZE_OF"
}

finish() {
  state_path "$1"
  fence "$4" "$5"
  P=$S/packages/$2
  part=$P/image.iso.part
  size_of "$P/image.iso"
  if [ "$SIZE_OF" = "$3" ]; then
    emit complete yes
    return 0
  fi
  if [ -n "$6" ]; then
    if [ ! -f "$6" ] || [ -L "$6" ]; then die stage-source "$6 is no regular file"; fi
    # Only what was copied here is looked at and used: a later change of the source has no effect.
    head -c "$3" <"$6" >"$part" || die stage-source "$6 could not be copied"
  fi
  size_of "$part"
  [ "$SIZE_OF" = "$3" ] || { rm -f "$part"; die stage-digest "the copy has $SIZE_OF bytes instead of $3"; }
  digest "$part"
  [ "$DIGEST" = "$2" ] || { rm -f "$part"; die stage-digest "the copy does not have the digest $2"; }
  chmod 600 "$part"
  sync_path "$part"
  mv -f "$part" "$P/image.iso"
  sync_path "$P"
  emit complete yes
}

mode=$1
shift
case $mode in
  incoming) incoming "$@" ;;
  begin) begin "$@" ;;
  finish) finish "$@" ;;
  discard) rm -f "$HOME/.cache/clusterlift/incoming/$1.part" ;;
esac
