# shellcheck shell=sh disable=SC2154
# One node's part of a restore point as an archive in a directory on the node (file:///, localbackup), or as a stream.
# Goes after lib.sh and tar.sh.
#
# create STATE BASE ID NODE COMPRESSION STOP START EXCLUDES PATH…   a job; everything is in place when <node>.result is there
# stream STATE COMPRESSION EXCLUDES PATH…      stdout: the archive; stderr at the end: its facts
# result BASE ID NODE                          the facts of a part that was created; nothing when it was not
# verify STATE FILE SHA256 COMPRESSION TABLE COUNT DEVICES MADE-BY TOPS-QUOTED TOPS-BARE    reads everything back
# progress BASE ID NODE                        bytes written so far

# Commands of the application run as the package's scripts do, not with our umask.
application() {
  [ -z "$1" ] || (umask 022 && cd / && exec sh -c "$1")
}

start_again() {
  [ -n "$stopped" ] || return 0
  stopped=
  application "$START" || {
    printf 'CLUSTERLIFT-ERROR quiet-start %s\n' "the application is down: it was stopped for the backup, and \`start\` failed" >&2
    return 1
  }
}

# Of a small file that could not be written, no more is known than that the script ended.
tell_full() {
  full_kb=$(df -Pk "$WORK" 2>/dev/null | awk 'NR == 2 { for (i = 2; i <= NF; i++) if ($i ~ /^[0-9]+%$/) { print $(i - 1); exit } }')
  [ "${full_kb:-64}" -ge 64 ] || printf 'CLUSTERLIFT-ERROR backup-full %s\n' "the file system of the backup is full" >&2
}

# However we end: the application runs again, and nothing half-made stays.
leave() {
  status=$?
  trap '' EXIT
  start_again || status=65
  case $status in
    0 | 64 | 65 | 143) ;;
    *) tell_full ;;
  esac
  rm -rf "$WORK"
  exit "$status"
}

# sort_paths PATH…: sets PRESENT_COUNT; the present ones go to $WORK/present, one a line (control characters were refused before).
sort_paths() {
  : >"$WORK/present"
  : >"$WORK/states"
  for path in "$@"; do
    if [ -L "$path" ]; then
      printf '%s\n' "$path" >>"$WORK/present"
      printf 'link %s\n' "$path" >>"$WORK/states"
    elif [ -e "$path" ]; then
      printf '%s\n' "$path" >>"$WORK/present"
      printf 'present %s\n' "$path" >>"$WORK/states"
    else
      printf 'absent %s\n' "$path" >>"$WORK/states"
    fi
  done
}

# tree_kb: the disk space of the present paths.
tree_kb() {
  tree_total=0
  while IFS= read -r tree_path; do
    tree_one=$(du -sk "$tree_path" 2>/dev/null | cut -f 1) || tree_one=0
    tree_total=$((tree_total + ${tree_one:-0}))
  done <"$WORK/present"
  printf %s "$tree_total"
}

# write_archive OUT LISTING: $WORK/present → the file OUT; sets SHA. Without OUT the archive goes to descriptor 5.
write_archive() {
  out=$1 listing=$2
  set --
  while IFS= read -r path; do set -- "$@" "$path"; done <"$WORK/present"
  {
    if [ $# -gt 0 ]; then
      tar_create "$listing" "$WORK/excludes" "$@" 2>"$WORK/tar-said" && rc=0 || rc=$?
    else
      # Nothing is there: an archive without members.
      : >"$WORK/tar-said"
      dd if=/dev/zero bs=1024 count=10 2>/dev/null && rc=0 || rc=$?
    fi
    echo "$rc" >"$WORK/tar-status"
  } | {
    compress 2>>"$WORK/errors" && rc=0 || rc=$?
    echo "$rc" >"$WORK/compress-status"
  } | spread
  read -r SHA <"$WORK/sha256"
  judge
}

# spread: stdin goes to where the archive goes, and into its digest.
spread() {
  if [ -n "$out" ]; then
    {
      tee "$out" 2>>"$WORK/errors" && rc=0 || rc=$?
      echo "$rc" >"$WORK/write-status"
    } | digest >"$WORK/sha256"
  else
    # The outgoing side may be a socket, which has no name that tee could open.
    mkfifo "$WORK/pipe"
    digest <"$WORK/pipe" >"$WORK/sha256" &
    tee "$WORK/pipe" >&5 2>>"$WORK/errors" && rc=0 || rc=$?
    echo "$rc" >"$WORK/write-status"
    wait "$!" || :
  fi
}

judge() {
  read -r tar_status <"$WORK/tar-status"
  read -r compress_status <"$WORK/compress-status"
  read -r write_status <"$WORK/write-status"
  cat "$WORK/tar-said" "$WORK/errors" >&2
  if [ "$write_status" != 0 ]; then
    if grep -q 'No space left' "$WORK/errors"; then die backup-full "the file system of the backup is full"; fi
    die backup-write "the archive cannot be written: $(tail -n 1 "$WORK/errors")"
  fi
  [ "$compress_status" = 0 ] || die backup-compress "$COMPRESSION failed with $compress_status"
  case $TAR:$tar_status in
    # GNU tar: 1 = files changed while they were read, 2 = something is missing in the archive.
    *:0 | gnu:1) ;;
    *) die backup-tar "tar failed with $tar_status: $(tail -n 1 "$WORK/tar-said")" ;;
  esac
  : >"$WORK/warnings"
  [ ! -s "$WORK/tar-said" ] || tail -n 20 "$WORK/tar-said" | cut -c 1-500 >"$WORK/warnings"
}

facts_of_archive() {
  emit sha256 "$SHA"
  emit compression "$COMPRESSION"
  emit tar "$TAR"
  emit kept "$KEPT"
  emit lost "$LOST"
  emit tree-kb "$TREE"
  emit_file paths "$WORK/states" 1000000
  emit_file warnings "$WORK/warnings" 20000
}

prepare() {
  mkdir "$WORK"
  : >"$WORK/errors"
  tar_facts
  [ "$TAR" != none ] || die tar-missing "there is neither GNU tar nor that of busybox"
  pick_compression "$1"
  printf '%s\n' "$2" | sed '/^$/d' >"$WORK/excludes"
  if [ "$TAR" = busybox ] && [ -s "$WORK/excludes" ]; then
    tar -c -X "$WORK/excludes" -C / -f /dev/null dev/null 2>/dev/null || die tar-exclude "the tar of busybox here cannot leave anything out"
  fi
}

create() {
  state_path "$2"
  BASE=$3 ID=$4 NODE=$5 COMPRESSION=$6 STOP=$7 START=$8
  [ -n "$BASE" ] || BASE=$S/backups
  D=$BASE/$ID stopped=
  excludes=$9
  shift 9
  mkdir -p "$BASE" || die backup-write "$BASE cannot be made"
  mkdir -p "$D" || die backup-write "$D cannot be made"
  chmod 700 "$D"
  # A redo: what an earlier attempt left is not used.
  WORK=$D/.$NODE.work
  rm -rf "$WORK" "$D/$NODE".tar.* "$D/$NODE.result" "$D/$NODE.listing.gz"
  trap leave EXIT
  trap 'exit 143' HUP INT TERM
  prepare "$COMPRESSION" "$excludes"
  if [ -n "$STOP$START" ]; then
    stopped=yes
    application "$STOP" || die quiet-stop "\`stop\` failed before the backup; the application was started again"
  fi
  sort_paths "$@"
  TREE=$(tree_kb)
  FILE=$NODE.tar.gz
  [ "$COMPRESSION" != zstd ] || FILE=$NODE.tar.zst
  : >"$WORK/listing"
  write_archive "$WORK/archive" "$WORK/listing"
  start_again || exit 65
  sync_path "$WORK/archive"
  if [ "$TAR" = gnu ]; then
    canonical <"$WORK/listing" >"$WORK/table"
  else
    unpacked_table "$WORK/archive" >"$WORK/table" || die backup-tar "the archive cannot be listed: $(tail -n 1 "$WORK/errors")"
  fi
  {
    emit file "$FILE"
    emit bytes "$(($(wc -c <"$WORK/archive")))"
    facts_of_archive
    emit table "$(digest <"$WORK/table")"
    emit count "$(($(wc -l <"$WORK/table")))"
  } >"$WORK/result"
  gzip -c <"$WORK/table" >"$WORK/listing.gz"
  mv -f "$WORK/listing.gz" "$D/$NODE.listing.gz"
  mv -f "$WORK/archive" "$D/$FILE"
  sync_path "$D/$NODE.listing.gz" "$D"
  put "$D/$NODE.result" <"$WORK/result"
  sync_path "$D" "$BASE"
}

stream() {
  state_path "$2"
  COMPRESSION=$3 stopped=
  excludes=$4
  shift 4
  mkdir -p "$S"
  WORK=$S/.stream.$$
  trap leave EXIT
  trap 'exit 143' HUP INT TERM PIPE
  exec 5>&1 >/dev/null
  prepare "$COMPRESSION" "$excludes"
  sort_paths "$@"
  TREE=$(tree_kb)
  write_archive '' /dev/null
  {
    echo CLUSTERLIFT-STREAM
    facts_of_archive
  } >&2
}

# broken WHY: the verdict; not an error of the verification.
broken() {
  emit verdict broken
  emit reason "$1"
  exit 0
}

verify() {
  state_path "$2"
  FILE=$3 want_sha=$4 COMPRESSION=$5 want_table=$6 want_count=$7 DEVICES=$8
  case $FILE in /*) ;; *) FILE=$S/backups/$FILE ;; esac
  shift 8
  mkdir -p "$S"
  WORK=$S/.verify.$$ stopped=
  mkdir "$WORK"
  trap leave EXIT
  trap 'exit 143' HUP INT TERM
  : >"$WORK/errors"
  tar_facts
  pick_tops "$@"
  export TOPS DEVICES
  if [ "$COMPRESSION" = zstd ] && ! command -v zstd >/dev/null 2>&1; then die zstd-missing "the archive is compressed with zstd, which is not here"; fi
  if [ ! -f "$FILE" ] || [ -L "$FILE" ]; then broken "the archive $FILE is missing"; fi
  [ -r "$FILE" ] || die backup-read "the archive $FILE cannot be read"
  sha=$(digest <"$FILE")
  [ "$sha" = "$want_sha" ] || broken "the archive has another digest than recorded ($sha)"
  unpacked_table "$FILE" >"$WORK/table" || broken "the archive is not complete: $(tail -n 1 "$WORK/errors")"
  # Each tar tells it in its own way.
  if [ "$TAR" = "$1" ] && [ -n "$want_table" ]; then
    count=$(($(wc -l <"$WORK/table")))
    [ "$count" = "$want_count" ] || broken "the archive holds $count entries, recorded are $want_count"
    [ "$(digest <"$WORK/table")" = "$want_table" ] || broken "the content of the archive is listed differently than recorded"
  fi
  members_fault "$FILE" "$WORK/table"
  [ -z "$FAULT" ] || broken "$FAULT"
  emit verdict verified
}

case $1 in
  create) create "$@" ;;
  stream) stream "$@" ;;
  result)
    state_path "$2"
    [ ! -f "${3:-$S/backups}/$4/$5.result" ] || cat "${3:-$S/backups}/$4/$5.result"
    ;;
  verify) verify "$@" ;;
  progress)
    state_path "$2"
    emit bytes "$(($(wc -c <"${3:-$S/backups}/$4/.$5.work/archive" 2>/dev/null || echo 0)))"
    ;;
esac
