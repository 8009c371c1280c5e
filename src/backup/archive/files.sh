# shellcheck shell=sh disable=SC2154
# Small files of restore points in a directory on a node. Goes after lib.sh, for `check` also after tar.sh. BASE empty: the
# built-in location.
#
# check STATE BASE HOW            look, write (tries it) or create (makes it); tells the free space
# put STATE BASE ID NAME          stdin becomes BASE/ID/NAME
# read STATE BASE ID NODE         point.json, status.json and the size of the node's archive
# list STATE BASE NODE            the same of every point
# remove STATE BASE ID NODE       the node's part, then the point
# trust STATE ID                  stdin: the digest of a point.json, kept where only we can write
# trusted STATE ID
# distrust STATE ID               forgets it
# announce STATE TOKEN ID…        a clean of that token is about to remove these points
# retract STATE TOKEN ID…         it does not; TOKEN empty: nobody does
# fetched STATE ID                bytes of a part that is being brought here
# fetch STATE ID OFFSET           stdin: its bytes from OFFSET
# unfetch STATE ID
# sweep STATE KEEP [ID]           removes archives that waited here for the way to the server: all but KEEP, or only ID
# cat STATE FILE                  stdout: one of them
# present STATE PATH…             which paths are there

tell_point() {
  emit id "$1"
  emit_file point "$BASE/$1/point.json" 16777216
  emit_file status "$BASE/$1/status.json" 1048576
  for tell_file in "$BASE/$1/$2.tar.gz" "$BASE/$1/$2.tar.zst"; do
    if [ -f "$tell_file" ] && [ ! -L "$tell_file" ]; then emit part "$(($(wc -c <"$tell_file"))) ${tell_file##*/}"; fi
  done
}

check() {
  place=$BASE
  # A user who may exchange a directory there could redirect what we write. The built-in one lies where only we may write.
  if [ "$BASE" != "$S/backups" ] && exposed "$BASE"; then die location-exposed "$BASE is no safe place: $LOOSE"; fi
  if [ "$1" = create ]; then
    mkdir -p "$BASE" 2>/dev/null || die backup-write "$BASE cannot be made"
  elif [ "$1" = look ] && [ "$BASE" = "$S/backups" ]; then
    # Not there before the first backup: what is above it has the space.
    while [ ! -d "$place" ]; do place=$(dirname "$place"); done
  fi
  [ -d "$place" ] || die backup-write "$BASE does not exist"
  if [ "$1" = look ]; then
    [ -w "$place" ] || die backup-write "$BASE cannot be written"
  else
    probe=$BASE/.clusterlift-probe.$$
    { echo probe >"$probe"; } 2>/dev/null || die backup-write "$BASE cannot be written"
    rm -f "$probe"
  fi
  # Names of devices may hold spaces; the four columns at the end do not, unless the mount point does.
  emit free-kb "$(df -Pk "$place" | awk 'NR == 2 { for (i = 2; i <= NF; i++) if ($i ~ /^[0-9]+%$/) { print $(i - 1); exit } }')"
}

list() {
  for entry in "$BASE"/*Z-*; do
    if [ -d "$entry" ] && [ ! -L "$entry" ]; then tell_point "${entry##*/}" "$1"; fi
  done
}

remove() {
  # First what makes it a point: a removal that is cut off leaves nothing that looks usable.
  rm -f "$BASE/$1/point.json"
  sync_path "$BASE/$1" 2>/dev/null || return 0
  rm -rf "$BASE/$1/$2.tar.gz" "$BASE/$1/$2.tar.zst" "$BASE/$1/$2.result" "$BASE/$1/$2.listing.gz" "$BASE/$1/.$2.work" "$BASE/$1/status.json"
  # Others keep their parts here as well when the directory is shared.
  rmdir "$BASE/$1" 2>/dev/null || :
  rm -f "$S/points/$1.sha256"
}

state_path "$2"
case $1 in
  check | put | read | list | remove)
    mode=$1
    BASE=${3:-$S/backups}
    shift 3
    case $mode in
      check) check "$1" ;;
      put)
        mkdir -p "$BASE/$1" || die backup-write "$BASE/$1 cannot be made"
        { cat >"$BASE/$1/$2.new.$$" && sync_path "$BASE/$1/$2.new.$$"; } || die backup-write "$BASE/$1/$2 cannot be written"
        mv -f "$BASE/$1/$2.new.$$" "$BASE/$1/$2"
        sync_path "$BASE/$1"
        ;;
      read) [ ! -d "$BASE/$1" ] || tell_point "$1" "$2" ;;
      list) list "$1" ;;
      remove) [ ! -d "$BASE/$1" ] || remove "$1" "$2" ;;
    esac
    ;;
  trust)
    mkdir -p "$S/points"
    put "$S/points/$3.sha256"
    sync_path "$S/points"
    ;;
  distrust) rm -f "$S/points/$3.sha256" "$S/points/$3.result" "$S/points/$3".*.kept "$S/points/$3".removing.* ;;
  trusted)
    emit_file digest "$S/points/$3.sha256" 100
    for each in "$S/points/$3".removing.*; do [ ! -e "$each" ] || emit removing yes; done
    ;;
  announce | retract)
    mode=$1 token=$3
    shift 3
    if [ "$mode" = announce ]; then
      # Also where nothing was ever restored: the next restore looks there.
      state_make
      mkdir -p "$S/points"
    fi
    [ -d "$S/points" ] || exit 0
    for each in "$@"; do
      if [ "$mode" = announce ]; then
        : >"$S/points/$each.removing.$token"
      elif [ -n "$token" ]; then
        rm -f "$S/points/$each.removing.$token"
      else
        rm -f "$S/points/$each".removing.*
      fi
    done
    sync_path "$S/points"
    ;;
  fetched)
    [ ! -f "$S/restore/$3.part" ] || emit bytes "$(($(wc -c <"$S/restore/$3.part")))"
    emit free-kb "$(df -Pk "$S" | awk 'NR == 2 { for (i = 2; i <= NF; i++) if ($i ~ /^[0-9]+%$/) { print $(i - 1); exit } }')"
    ;;
  fetch)
    mkdir -p "$S/restore"
    file=$S/restore/$3.part
    [ "$4" != 0 ] || : >"$file"
    [ "$(($(wc -c <"$file")))" = "$4" ] || die fetch-offset "the part that is brought here has another size than expected"
    cat >>"$file" || die backup-full "there is no room for the part in $S"
    sync_path "$file"
    ;;
  unfetch) rm -f "$S/restore/$3.part" ;;
  sweep)
    for spool in "$S/spool"/*; do
      name=${spool##*/}
      [ "$name" = "${4:-$name}" ] || continue
      [ "$name" = "$3" ] || rm -rf "$spool"
    done
    ;;
  cat) cat "$3" ;;
  present)
    shift 2
    states=
    for path in "$@"; do
      state=absent
      if [ -L "$path" ] || [ -e "$path" ]; then state=present; fi
      states=$states$state' '$path'
'
    done
    emit paths "$states"
    ;;
esac
