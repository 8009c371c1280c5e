# shellcheck shell=sh disable=SC2034,SC2154
# Puts one node's part of a restore point back: unpack beside, check, swap. Goes after lib.sh, tar.sh, restic.sh
# and unpack.sh.
#
# forward STATE TAG KIND … -- WANT PATH …   a job. KIND archive: FILE SHA256 COMPRESSION DEVICES MADE-BY
#                                           TOPS-QUOTED TOPS-BARE (see tar.sh); KIND restic: REPOSITORY SNAPSHOT. WANT: present or absent
# look STATE TAG KIND …                     is the part one that `forward` would unpack?
# back STATE TAG                            a job: what was there before comes back
# remove-replaced STATE TAG                 removes what was replaced
# keep STATE TAG                            leaves it where it lies, until the next restore or upgrade on this node
# state STATE TAG                           how far it is
#
# R=$S/restore/TAG holds `phase` and for path number i the directory p<i>: path, parent, want, had, stage, how, state.
# Phases: preparing → unpacked → swapping → in (→ kept), or backing → back.
# A path goes ready → (kept →) aside → (filling →) in, and backing → back. Each word is on the disk before the next act.
# how: rename = two atomic renames; copy = where that is not possible, with a copy of the old one kept meanwhile.
# Others may write beside the path: its directory is held (tar.sh), and what is renamed keeps its name, so that nothing is
# ever moved through a link. The stage is an absolute path that only root and we can change.

# say WORD FILE: on the disk when it returns 0. Not `put`: it is used where a failure must be noticed, not end the script.
say() {
  case $2 in
    */*) say_in=$R/${2%/*} ;;
    *) say_in=$R ;;
  esac
  printf '%s\n' "$1" >"$R/$2.new" && sync_path "$R/$2.new" && mv -f "$R/$2.new" "$R/$2" && sync_path "$say_in"
}

phase() {
  say "$1" phase
}

phase_now() {
  PHASE=none
  { read -r PHASE <"$R/phase"; } 2>/dev/null || :
}

# load I: everything about a path.
load() {
  I=$1
  IFS= read -r P <"$R/p$I/path"
  IFS= read -r STAGE <"$R/p$I/stage"
  read -r WANT <"$R/p$I/want"
  read -r HAD <"$R/p$I/had"
  read -r HOW <"$R/p$I/how"
  read -r STATE <"$R/p$I/state"
  BASE=${P##*/}
  AT=$STAGE NEW=$STAGE/new$P OLD=$STAGE/old/$I/$BASE
}

# hold I: loads it, and holds the directory where the path is.
hold() {
  load "$1"
  if [ ! -f "$R/p$I/parent" ]; then hold_stage || return 1; fi
  NEW=$AT/new$P OLD=$AT/old/$I/$BASE
  enter "${P%/*}" || return 1
  [ -f "$R/p$I/parent" ] || return 0
  IFS= read -r hold_parent <"$R/p$I/parent"
  [ "${HERE:-/}" = "$hold_parent" ] || {
    WHY="${P%/*} leads to ${HERE:-/} now, and led to $hold_parent"
    return 1
  }
}

# A restore that Clusterlift 0.1 began has its stage beside the path. It is held as descriptor 9, if it is really ours.
hold_stage() {
  enter "${STAGE%/*}" || return 1
  if [ "$NEAREST" = "${HERE:-/}" ]; then return 0; fi
  into "./${STAGE##*/}" "$HERE/${STAGE##*/}" || return 1
  WHY="$STAGE was exchanged by somebody"
  private . && private new && private old || return 1
  exec 9<.
  AT=/proc/self/fd/9
}

path_is() {
  say "$1" "p$I/state" || return 1
  STATE=$1
}

count_paths() {
  N=0
  while [ -d "$R/p$N" ]; do N=$((N + 1)); done
}

# mv copies where rename(2) is not possible, and a copy that is cut off would be a mixture.
pick_renamer() {
  if mv --help 2>&1 | grep -q -e --no-copy; then
    RENAMER='mv'
  elif perl -e 1 2>/dev/null; then
    RENAMER=perl
  elif python3 -c 'import os' 2>/dev/null; then
    RENAMER=python3
  else
    RENAMER=plain
  fi
}

# try_rename SOURCE TARGET: renames, or changes nothing and fails. Both end with the same name.
try_rename() {
  ! exists "$2" || return 1
  case $RENAMER in
    mv) mv --no-copy -T -- "$1" "$2" ;;
    perl) perl -e 'exit(rename($ARGV[0], $ARGV[1]) ? 0 : 1)' "$1" "$2" ;;
    python3) python3 -I -c 'import os, sys; os.rename(sys.argv[1], sys.argv[2])' "$1" "$2" ;;
    plain) plain_rename "$1" "$2" ;;
  esac 2>/dev/null || return 1
  sync_path "${1%/*}/" "${2%/*}/"
}

# Only where a rename is known never to be refused. The target is a directory that is there: mv would follow a link that took
# the place of the name.
plain_rename() {
  mount_of "$1"
  plain_mount=$MOUNT
  mount_of "$2"
  [ "$MOUNT" = "$plain_mount" ] || return 1
  case $MOUNT_TYPE in
    ext2 | ext3 | ext4 | xfs | btrfs | f2fs | tmpfs | ramfs | zfs | jfs | bcachefs) mv -f "$1" "${2%/*}/" ;;
    *) return 1 ;;
  esac
}

# mount_of PATH: sets MOUNT and MOUNT_TYPE to those of its directory.
mount_of() {
  MOUNT='' MOUNT_TYPE='' mount_path=${1%/*}/
  case $mount_path in
    ./*) mount_path=$HERE/ ;;
    /proc/self/fd/9/*) mount_path=$STAGE/ ;;
  esac
  while read -r _ mount_at mount_type _; do
    case $mount_path in
      "${mount_at%/}"/*)
        if [ "${#mount_at}" -ge "${#MOUNT}" ]; then MOUNT=$mount_at MOUNT_TYPE=$mount_type; fi
        ;;
    esac
  done </proc/mounts
}

# sync_all PATH: everything on its file system.
sync_all() {
  sync -f "$1" 2>/dev/null || sync
}

# copy_tree DIRECTORY NAME INTO: a complete copy of DIRECTORY/NAME as INTO/NAME.
copy_tree() {
  copy_status=$R/copy-status
  rm -f "$copy_status"
  {
    case $TAR in
      gnu) tar -c --no-unquote --format=posix --numeric-owner --sparse ${ACLS:+"$ACLS"} ${XATTRS:+"$XATTRS" "--xattrs-include=*"} -C "$1" -f - "./$2" ;;
      *) tar -c --numeric-owner -C "$1" -f - "./$2" ;;
    esac || echo read >>"$copy_status"
  } | {
    case $TAR in
      gnu) tar -x -p --same-owner --numeric-owner ${ACLS:+"$ACLS"} ${XATTRS:+"$XATTRS" "--xattrs-include=*"} -C "$3" -f - ;;
      *) tar -x -p --numeric-owner -C "$3" -f - ;;
    esac || echo write >>"$copy_status"
  }
  [ ! -e "$copy_status" ] || return 1
  sync_all "$3"
}

# fixed NAME: is this tar safe to read ./NAME? That of busybox opens what it has looked at by name, so somebody who may write
# below could have it read another file.
fixed() {
  [ "$TAR" = gnu ] || [ -z "$(open_directory "$1")" ]
}

# clear_path: nothing stands at the path any more; out of the way at once where it can be renamed.
clear_path() {
  exists "./$BASE" || return 0
  trash_n=0
  while exists "$AT/trash/$trash_n"; do trash_n=$((trash_n + 1)); done
  mkdir -p "$AT/trash/$trash_n" || return 1
  try_rename "./$BASE" "$AT/trash/$trash_n/$BASE" || remove_name "$BASE"
}

keep_copy() {
  rm -rf "$AT/old/$I" "$AT/old/$I.new"
  mkdir "$AT/old/$I.new" || return 1
  fixed "$BASE" || return 1
  copy_tree . "$BASE" "$AT/old/$I.new" || return 1
  mv "$AT/old/$I.new" "$AT/old/$I" || return 1
  sync_path "$AT/old"
}

# fill DIRECTORY: a copy of DIRECTORY/BASE comes to the path, made in a directory of ours beside it. Others may rename that,
# but they can neither enter it nor move it elsewhere. (mkdir -m: an ACL of the directory above counts for nothing there.)
fill() {
  fill_name=.clusterlift-fill-$TAG fill_in=$HERE
  remove_name "$BASE" && remove_name "$fill_name" || return 1
  mkdir -m 700 "./$fill_name" || return 1
  into "./$fill_name" "$fill_in/$fill_name" && private . || return 1
  copy_tree "$1" "$BASE" . || return 1
  mv -f "./$BASE" ../ || return 1
  sync_path ./ ../
  hold "$I" || return 1
  rmdir "./$fill_name" 2>/dev/null || :
}

old_aside() {
  if [ "$STATE" = ready ] && [ "$HAD" = present ]; then
    # When the old one is there already, only the word for it was lost.
    if ! exists "$OLD"; then
      if [ "$HOW" = rename ]; then
        mkdir -p "$AT/old/$I" || return 1
        if ! try_rename "./$BASE" "$OLD"; then
          say copy "p$I/how" || return 1
          HOW=copy
        fi
      fi
      if [ "$HOW" = copy ]; then keep_copy || return 1; fi
    fi
    if [ "$HOW" = copy ]; then path_is kept || return 1; fi
  fi
  if [ "$STATE" = kept ]; then remove_name "$BASE" || return 1; fi
  case $STATE in ready | kept) path_is aside || return 1 ;; esac
}

new_in() {
  if [ "$WANT" = absent ]; then
    clear_path || return 1
  elif [ "$STATE" = filling ]; then
    fill "${NEW%/*}" || return 1
  elif exists "$NEW"; then
    # Another process made it again meanwhile.
    clear_path || return 1
    if ! try_rename "$NEW" "./$BASE"; then
      path_is filling || return 1
      new_in || return 1
    fi
  elif ! exists "./$BASE"; then
    return 1
  fi
}

forward_path() {
  load "$1"
  [ "$STATE" != in ] || return 0
  hold "$1" || return 1
  old_aside || return 1
  new_in || return 1
  path_is in
}

old_back() {
  [ "$HAD" = present ] || return 0
  try_rename "$OLD" "./$BASE" && return 0
  fill "${OLD%/*}"
}

back_path() {
  load "$1"
  [ "$STATE" != back ] || return 0
  if [ "$STATE" = ready ]; then
    # A rename that was not written down any more; a copy beside means that the old one was not touched.
    if [ "$HAD" = present ] && [ "$HOW" = rename ]; then
      hold "$1" || ! exists "$OLD" || return 1
      if exists "$OLD"; then clear_path && old_back || return 1; fi
    fi
  else
    hold "$1" || return 1
    path_is backing || return 1
    # While the old one is still aside, what stands in its place is not it.
    if [ "$HAD" = absent ]; then
      clear_path || return 1
    elif exists "$OLD"; then
      clear_path && old_back || return 1
    elif ! exists "./$BASE"; then
      return 1
    fi
  fi
  path_is back
}

all_back() {
  phase backing
  all_n=$N
  while [ "$all_n" -gt 0 ]; do
    all_n=$((all_n - 1))
    WHY=
    back_path "$all_n" || die swap-stuck "$P could not be put back${WHY:+ ($WHY)}; what was there before lies in $STAGE/old/$I"
  done
  phase back
  clear_stages
}

all_forward() {
  phase swapping
  all_n=0
  while [ "$all_n" -lt "$N" ]; do
    WHY=
    if ! forward_path "$all_n"; then
      failed=$P${WHY:+" ($WHY)"}
      all_back
      die swap-went-back "$failed could not be replaced; everything is as it was before"
    fi
    all_n=$((all_n + 1))
  done
  phase in
}

forward() {
  case $PHASE in
    none | preparing)
      forget_kept
      clear_stages
      trap unpack_failed EXIT
      unpack "$@"
      trap - EXIT
      ;;
    backing | back) die swap-backwards "this restore was turned back before" ;;
    in | kept) return 0 ;;
  esac
  count_paths
  all_forward
}

unpack_failed() {
  status=$?
  trap - EXIT
  clear_stages
  rm -rf "$R"
  exit "$status"
}

back() {
  count_paths
  case $PHASE in
    none | back | kept) ;;
    preparing | unpacked)
      clear_stages
      phase back
      ;;
    *) all_back ;;
  esac
}

remove_replaced() {
  case $PHASE in
    swapping | backing) die swap-open "the swap is not at its end; it goes forwards or back first" ;;
  esac
  # First the word: with a part of what was replaced gone, no path may go back.
  if [ -d "$R" ]; then
    rm -f "$R/phase"
    sync_path "$R"
  fi
  clear_stages
  rm -rf "$R"
}

# What earlier runs kept goes before the next restore needs the room.
forget_kept() {
  for forget_phase in "$S"/restore/*/phase; do
    [ "$(cat "$forget_phase" 2>/dev/null)" = kept ] || continue
    forget_r=$R forget_tag=$TAG
    R=${forget_phase%/phase} TAG=${R##*/}
    clear_stages
    rm -rf "$R"
    R=$forget_r TAG=$forget_tag
  done
}

# Is there at least as much room left as what was replaced takes?
room_to_keep() {
  stages >"$R/stages"
  while IFS= read -r room_stage; do
    room_old=$(du -skx "$room_stage/old" | cut -f 1)
    room_free=$(df -Pk "$room_stage" | awk 'NR == 2 { print $4 }')
    [ "${room_free:-0}" -ge "${room_old:-0}" ] || return 1
  done <"$R/stages"
}

keep() {
  count_paths
  case $PHASE in
    kept) ;;
    in)
      # A restore that Clusterlift 0.1 began has its stage where others may write.
      if [ ! -f "$R/p0/parent" ]; then remove_replaced && return 0; fi
      if ! room_to_keep; then
        emit short yes
        remove_replaced
        return 0
      fi
      # First the word: from now on no path goes back.
      phase kept
      ;;
    *)
      remove_replaced
      return 0
      ;;
  esac
  keep_n=0
  while [ "$keep_n" -lt "$N" ]; do
    load "$keep_n"
    if enter "${P%/*}"; then remove_name ".clusterlift-fill-$TAG" || :; fi
    if enter "$STAGE" && [ "$MISSING" = no ]; then
      remove_name new || :
      remove_name trash || :
    fi
    [ "$HAD" = absent ] || emit kept "$STAGE/old/$I/$BASE"
    keep_n=$((keep_n + 1))
  done
  cd /
}

tell_state() {
  emit phase "$PHASE"
  count_paths
  tell_n=0
  while [ "$tell_n" -lt "$N" ]; do
    if [ -f "$R/p$tell_n/state" ]; then
      load "$tell_n"
      emit path "$STATE $HOW $HAD $WANT $P"
    fi
    tell_n=$((tell_n + 1))
  done
}

state_path "$2"
TAG=$3 R=$S/restore/$3
mkdir -p "$S/restore"
phase_now
tar_facts
pick_renamer
pick_remover
verb=$1
shift 3
case $verb in
  look) look_ahead "$@" ;;
  forward) forward "$@" ;;
  back) back ;;
  remove-replaced) remove_replaced ;;
  keep) keep ;;
  state) tell_state ;;
esac
