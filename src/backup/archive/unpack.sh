# shellcheck shell=sh disable=SC2154
# The first half of a restore: stages beside the paths, and the part unpacked and checked in them. Nothing is replaced here.
# Goes after lib.sh, tar.sh and restic.sh; swap.sh has the rest, and says what lies where.

# can_stage DIRECTORY: can what lies in there be renamed into the directory that is held? Tried with an empty directory.
can_stage() {
  stage_probe=.clusterlift-probe-$TAG
  rm -rf "${1:?}/$stage_probe"
  mkdir "$1/$stage_probe" 2>/dev/null || return 1
  rmdir "./$stage_probe" 2>/dev/null || :
  if try_rename "$1/$stage_probe" "./$stage_probe"; then
    rmdir "./$stage_probe"
    return 0
  fi
  rm -rf "${1:?}/$stage_probe"
  return 1
}

# pick_stage: one place for all paths of a file system, so that hard links between them survive. It lies where nobody but root
# and us can exchange it: in the nearest such directory of the file system, else in our state directory.
pick_stage() {
  stage_at=0 HOW=rename
  while [ "$stage_at" -lt "$I" ]; do
    IFS= read -r STAGE <"$R/p$stage_at/stage"
    if can_stage "$STAGE"; then return 0; fi
    stage_at=$((stage_at + 1))
  done
  if [ -n "$NEAREST" ]; then
    make_stage "${NEAREST%/}" 2>/dev/null || :
    if can_stage "$STAGE"; then return 0; fi
    rm -rf "$STAGE"
  fi
  HOW=copy
  make_stage "$R" || die restore-stage "$R cannot be written"
}

make_stage() {
  STAGE=$1/.clusterlift-$TAG.$I
  # Written first: a later cleanup must know of it.
  say "$STAGE" "p$I/stage"
  rm -rf "$STAGE"
  mkdir -m 700 "$STAGE" && mkdir "$STAGE/new" "$STAGE/old"
}

prepare_path() {
  I=$1 P=$3 BASE=${3##*/}
  mkdir "$R/p$I"
  say "$P" "p$I/path"
  say "$2" "p$I/want"
  enter "${P%/*}" make || die restore-unsafe "$P cannot be restored: $WHY"
  say "${HERE:-/}" "p$I/parent"
  pick_stage
  say "$STAGE" "p$I/stage"
  say "$HOW" "p$I/how"
  if exists "./$BASE"; then say present "p$I/had"; else say absent "p$I/had"; fi
  say ready "p$I/state"
}

# Whatever a restore has left beside the paths and in its stages.
clear_stages() {
  for clear_p in "$R"/p*; do
    [ -f "$clear_p/path" ] || continue
    IFS= read -r clear_path <"$clear_p/path"
    if enter "${clear_path%/*}"; then
      rmdir "./.clusterlift-probe-$TAG" 2>/dev/null || :
      remove_name ".clusterlift-fill-$TAG" || :
    fi
    [ -f "$clear_p/stage" ] || continue
    IFS= read -r clear_stage <"$clear_p/stage"
    case ${clear_stage##*/} in
      .clusterlift-"$TAG".*)
        if enter "${clear_stage%/*}" && [ "$MISSING" = no ]; then remove_name "${clear_stage##*/}"; fi
        ;;
    esac
  done
  cd /
}

# stages: each stage once, one a line.
stages() {
  for stages_file in "$R"/p*/stage; do cat "$stages_file"; done | awk '!seen[$0]++'
}

# of_stage STAGE: the present paths that go there, one a line.
of_stage() {
  of_i=0
  while [ "$of_i" -lt "$N" ]; do
    load "$of_i"
    if [ "$STAGE" = "$1" ] && [ "$WANT" = present ]; then printf '%s\n' "$P"; fi
    of_i=$((of_i + 1))
  done
}

# each_stage COMMAND: runs COMMAND STAGE PATH… for every stage that gets something.
each_stage() {
  each_command=$1
  while IFS= read -r each_stage; do
    of_stage "$each_stage" >"$R/members"
    [ -s "$R/members" ] || continue
    set -- "$each_stage"
    while IFS= read -r each_path; do set -- "$@" "$each_path"; done <"$R/members"
    "$each_command" "$@" </dev/null
  done <"$R/stages"
}

# What is unpacked is what is hashed: the file may lie where others can write.
unpack_archive() {
  unpack_into=$1
  shift
  unpack_status=$WORK/unpack-status
  rm -f "$unpack_status" "$WORK/pipe"
  mkfifo "$WORK/pipe"
  digest <"$WORK/pipe" >"$WORK/sha256" &
  {
    tee "$WORK/pipe" <"$FILE" || echo read >>"$unpack_status"
  } | {
    decompress || echo decompress >>"$unpack_status"
    cat >/dev/null
  } | {
    tar_extract "$unpack_into/new" "$@" || echo tar >>"$unpack_status"
    cat >/dev/null
  }
  wait "$!" || :
  [ ! -e "$unpack_status" ] || die restore-unpack "the archive could not be unpacked; nothing was replaced"
  [ "$(cat "$WORK/sha256")" = "$SHA" ] || die restore-digest "the archive has another digest than recorded; nothing was replaced"
  [ "$TAR" != gnu ] || compare_archive "$unpack_into" "$@"
}

# Reads everything again and compares it with what was unpacked.
compare_archive() {
  compare_in=$1
  shift
  compare_n=$#
  for compare_path in "$@"; do set -- "$@" ".$compare_path"; done
  shift "$compare_n"
  decompress <"$FILE" | {
    tar -d --no-unquote --numeric-owner ${ACLS:+"$ACLS"} ${XATTRS:+"$XATTRS" "--xattrs-include=*"} -C "$compare_in/new" -f - -- "$@" || echo compare >>"$unpack_status"
    cat >/dev/null
  }
  [ ! -e "$unpack_status" ] || die restore-compare "what was unpacked is not what is in the archive; nothing was replaced"
}

check_archive() {
  case $FILE in /*) ;; *) FILE=$S/backups/$FILE ;; esac
  if [ ! -f "$FILE" ] || [ -L "$FILE" ]; then die restore-missing "the archive $FILE is missing"; fi
  if [ "$COMPRESSION" = zstd ] && ! command -v zstd >/dev/null 2>&1; then die zstd-missing "the archive is compressed with zstd, which is not here"; fi
  # It is read several times: one that others may change meanwhile is copied first.
  if exposed "$FILE"; then
    cat <"$FILE" >"$WORK/archive" || die restore-unpack "$LOOSE, and there is no room for a copy of $FILE in $WORK"
    FILE=$WORK/archive
  fi
  [ "$(digest <"$FILE")" = "$SHA" ] || die restore-digest "the archive has another digest than recorded; nothing was unpacked"
  unpacked_table "$FILE" >"$WORK/table" || die restore-unpack "the archive is not complete; nothing was unpacked"
  members_fault "$FILE" "$WORK/table"
  [ -z "$FAULT" ] || die restore-members "the archive is not safe to unpack ($FAULT)"
}

# A target that is empty: with the options for restoring in place, restic removes what lies beside.
unpack_snapshot() {
  snapshot_into=$1
  shift
  snapshot_n=$#
  for snapshot_path in "$@"; do
    set -- "$@" --include "$(printf %s "$snapshot_path" | sed 's/[][*?\\]/\\&/g')"
  done
  shift "$snapshot_n"
  restic_waiting restore "$SNAPSHOT" --target "$snapshot_into/new" --sparse --verify "$@" || die restore-unpack "restic could not restore; nothing was replaced"
}

check_unpacked() {
  check_i=0
  while [ "$check_i" -lt "$N" ]; do
    load "$check_i"
    if [ "$WANT" = present ] && ! exists "$NEW"; then die restore-unpack "$P did not come out of the backup; nothing was replaced"; fi
    check_i=$((check_i + 1))
  done
}

archive_of() {
  FILE=$2 SHA=$3 COMPRESSION=$4 DEVICES=$5
  pick_tops "$6" "$7" "$8"
  export TOPS DEVICES
}

# look_ahead KIND …: refuses what `unpack` would refuse, while nothing stands still yet. restic checks each piece by its name.
look_ahead() {
  [ "$1" = archive ] || return 0
  WORK=$R.look
  rm -rf "$WORK"
  trap 'rm -rf "$WORK"' EXIT
  mkdir "$WORK"
  : >"$WORK/errors"
  archive_of "$@"
  check_archive
}

# unpack KIND … -- WANT PATH …
unpack() {
  rm -rf "$R"
  mkdir -p "$R"
  phase preparing
  kind=$1
  case $kind in
    archive) archive_of "$@" ;;
    restic) REPOSITORY=$2 SNAPSHOT=$3 ;;
  esac
  while [ "$1" != -- ]; do shift; done
  shift
  WORK=$R/work
  mkdir "$WORK"
  : >"$WORK/errors"
  [ "$kind" != archive ] || check_archive
  at=0
  while [ $# -gt 0 ]; do
    prepare_path "$at" "$1" "$2"
    at=$((at + 1))
    shift 2
  done
  cd /
  count_paths
  stages >"$R/stages"
  if [ "$kind" = restic ]; then
    restic_open "$REPOSITORY"
    each_stage unpack_snapshot
  else
    each_stage unpack_archive
  fi
  check_unpacked
  rm -rf "$WORK"
  # All of it on the disk before anything is moved.
  while IFS= read -r unpack_stage; do sync_all "$unpack_stage"; done <"$R/stages"
  phase unpacked
}
