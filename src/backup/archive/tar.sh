# shellcheck shell=sh disable=SC2034
# What the scripts of this room share: which tar this is and what it keeps, digests, compression, canonical listings, safe
# members, and how to work in directories that others may write.
# Member names are the absolute paths with a dot in front ("./opt/acme"), so no name can be read as an option.
# GNU tar needs --no-unquote, else a backslash in a name that it is given means something.
TZ=UTC0
export TZ

# tar_facts: sets TAR to gnu, busybox or none; ACLS, XATTRS and SELINUX to a flag or nothing; KEPT and LOST.
tar_facts() {
  TAR=none ACLS='' XATTRS='' SELINUX=''
  case $(tar --version 2>&1 </dev/null) in
    *'GNU tar'*) TAR=gnu ;;
    *[Bb]usy[Bb]ox*) TAR=busybox ;;
  esac
  KEPT=owners LOST='directory-times subsecond-times acls xattrs sparse'
  [ $TAR = gnu ] || return 0
  KEPT='owners directory-times subsecond-times sparse' LOST=
  if tar_can --acls; then ACLS=--acls KEPT="$KEPT acls"; else LOST="$LOST acls"; fi
  if tar_can --xattrs; then XATTRS=--xattrs KEPT="$KEPT xattrs"; else LOST="$LOST xattrs"; fi
  if [ -e /sys/fs/selinux/enforce ] && tar_can --selinux; then SELINUX=--selinux; fi
}

# A tar that was built without them knows the option and only warns.
tar_can() {
  tar_said=$(tar -c "$1" -f /dev/null -T /dev/null 2>&1) && [ -z "$tar_said" ]
}

# Both read everything of stdin; openssl is several times faster where it is there.
digest() {
  if command -v openssl >/dev/null 2>&1; then
    openssl dgst -sha256 -r
  else
    sha256sum
  fi | cut -c 1-64
}

# pick_compression WANTED: sets COMPRESSION to zstd or gzip.
pick_compression() {
  COMPRESSION=gzip
  if [ "$1" != gzip ] && command -v zstd >/dev/null 2>&1; then COMPRESSION=zstd; fi
}

compress() {
  case $COMPRESSION in
    zstd) zstd -q -3 -c ;;
    *) gzip -c ;;
  esac
}

decompress() {
  case $COMPRESSION in
    zstd) zstd -q -d -c ;;
    *) gzip -d -c ;;
  esac
}

# exists PATH: also a link that leads nowhere.
exists() {
  [ -e "$1" ] || [ -L "$1" ]
}

# tar_create LISTING EXCLUDES PATH…: the archive on stdout; LISTING gets what was written (GNU only; may be /dev/null).
tar_create() {
  tar_listing=$1 tar_excludes=$2
  shift 2
  tar_count=$#
  for tar_path in "$@"; do
    set -- "$@" ".$tar_path"
  done
  shift "$tar_count"
  case $TAR in
    gnu)
      tar -c --no-unquote --format=posix --numeric-owner --sparse ${ACLS:+"$ACLS"} ${XATTRS:+"$XATTRS" "--xattrs-include=*"} \
        ${SELINUX:+"$SELINUX"} --full-time --quoting-style=c -vv --index-file="$tar_listing" \
        --exclude-from="$tar_excludes" -C / -f - -- "$@"
      ;;
    busybox)
      # Some are built without -X; prepare() has looked.
      [ ! -s "$tar_excludes" ] || set -- -X "$tar_excludes" "$@"
      tar -c --numeric-owner -C / -f - "$@"
      ;;
    *) die tar-missing "there is neither GNU tar nor that of busybox" ;;
  esac
}

# tar_extract DIRECTORY PATH…: stdin is the archive; all members when no path is given.
tar_extract() {
  tar_into=$1
  shift
  tar_count=$#
  for tar_path in "$@"; do
    set -- "$@" ".$tar_path"
  done
  shift "$tar_count"
  case $TAR in
    gnu)
      tar -x -p --no-unquote --same-owner --numeric-owner ${ACLS:+"$ACLS"} ${XATTRS:+"$XATTRS" "--xattrs-include=*"} \
        ${SELINUX:+"$SELINUX"} -C "$tar_into" -f - -- "$@"
      ;;
    busybox) tar -x -p --numeric-owner -C "$tar_into" -f - "$@" ;;
    *) die tar-missing "there is neither GNU tar nor that of busybox" ;;
  esac
}

# tar_table: stdin is an archive, stdout what is in it, as this tar tells it.
tar_table() {
  case $TAR in
    gnu) tar -tv --numeric-owner --full-time --quoting-style=c -f - ;;
    *) tar -tv --numeric-owner -f - ;;
  esac
}

# canonical: the columns of a table without their padding: mode owner/group size date time name[ -> target].
# The mark of an ACL behind the mode is there only when tar wrote the archive.
canonical() {
  awk '{
    rest = $0
    for (i = 0; i < 5; i++) sub(/^[^ ]+ +/, "", rest)
    print substr($1, 1, 10) " " $2 " " $3 " " $4 " " $5 " " rest
  }'
}

# unpacked_table ARCHIVE: writes the canonical table, and fails unless the archive is complete.
# tar stops at the end mark; what comes after it is read as well, so that a cut or broken stream is noticed.
unpacked_table() {
  table_status=$WORK/table-status
  {
    decompress <"$1" 2>>"$WORK/errors" || echo decompress >>"$table_status"
  } | {
    tar_table 2>>"$WORK/errors" || echo tar >>"$table_status"
    cat >/dev/null
  } | canonical
  [ ! -e "$table_status" ]
}

# check_members TABLE NAMES: stdout says why the members are not safe; nothing when they are.
# NAMES (busybox only, else empty): the bare names, because that tar quotes nothing.
# TOPS (exported): the members that may stand at the top, quoted as in the table, one a line. DEVICES: yes when they may be there.
check_members() {
  awk -v names="$2" '
    function fail(why) { print why ": " substr(name, 1, 300); failed = 1; exit }
    BEGIN {
      wanted = split(ENVIRON["TOPS"], list, "\n")
      for (i = 1; i <= wanted; i++) if (list[i] != "") top[list[i]] = 1
    }
    {
      type = substr($0, 1, 1)
      rest = $0
      for (i = 0; i < 5; i++) sub(/^[^ ]+ /, "", rest)
      if (names == "") {
        if (!match(rest, /^"([^"\\]|\\.)*"/)) fail("a line that makes no sense")
        name = substr(rest, 2, RLENGTH - 2)
        tail = substr(rest, RLENGTH + 1)
      } else {
        if ((getline name <names) <= 0) fail("names with line breaks")
        if (substr(rest, 1, length(name)) != name) fail("names with line breaks")
        tail = substr(rest, length(name) + 1)
        if (type == "-" && tail != "") { type = "h"; tail = " link to \"" substr(tail, 5) "\"" }
      }
      sub(/\/$/, "", name)
      if (NR > 3000000) fail("more than 3000000 members, which is the limit")
      if (length(name) > 16384) fail("a name of more than 16384 bytes, which is the limit")
      if (gsub(/\//, "/", name) > 1000) fail("a member deeper than 1000 directories, which is the limit")
      if (type !~ /^[-dlhpcb]$/) fail("a member of a kind that we do not make")
      if (type ~ /[cb]/ && ENVIRON["DEVICES"] != "yes") fail("a device")
      if (name !~ /^\.\//) fail("a member with an absolute or foreign name")
      if (name ~ /\/\.\.?(\/|$)/ || name ~ /\/\//) fail("a member that leads elsewhere")
      if (name in seen) fail("a member that is there twice")
      parent = name
      sub(/\/[^\/]*$/, "", parent)
      if (!(name in top)) {
        if (!(parent in seen)) fail("a member outside of the saved paths")
        if (seen[parent] != "d") fail("a member below something that is no directory")
      }
      if (type == "h") {
        if (tail !~ /^ link to ".*"$/) fail("a hard link without a target")
        target = substr(tail, 11, length(tail) - 11)
        if (!(target in seen) || seen[target] == "d") fail("a hard link to something else")
      }
      seen[name] = type
    }
    END {
      if (failed) exit
      for (path in top) if (!(path in seen)) { print "a saved path is missing: " path; exit }
    }
  ' "$1"
}

# pick_tops MADE-BY QUOTED BARE: sets TOPS as this tar writes names. Only GNU tar reads everything that GNU tar writes.
pick_tops() {
  [ "$TAR" != none ] || die tar-missing "there is neither GNU tar nor that of busybox"
  if [ "$1" = gnu ] && [ "$TAR" != gnu ]; then die tar-missing "the archive was made by GNU tar, which is not here"; fi
  TOPS=$3
  [ "$TAR" != gnu ] || TOPS=$2
}

# bare_names ARCHIVE: for check_members under busybox.
bare_names() {
  decompress <"$1" 2>/dev/null | {
    tar -tf - 2>/dev/null || :
    cat >/dev/null
  }
}

# members_fault ARCHIVE TABLE: sets FAULT to why the members are not safe, or to nothing.
members_fault() {
  names=
  if [ "$TAR" != gnu ]; then
    names=$WORK/names
    bare_names "$1" >"$names"
  fi
  FAULT=$(check_members "$2" "$names")
}

# --- Directories that others may write: a name in there may lead elsewhere a moment later. So a directory is entered name by
# --- name and held as the working directory, and what lies in it is addressed as ./NAME only.

# trusted UID: root, or who we are.
trusted() {
  [ -n "${ME-}" ] || ME=$(id -u)
  [ "$1" = 0 ] || [ "$1" = "$ME" ]
}

# look_at NAME: sets MODE and OWNER as ls -n tells them; a link is not followed.
look_at() {
  look_line=$(ls -ldn "$1" 2>/dev/null) || return 1
  read -r MODE _ OWNER _ <<LOOK
$look_line
LOOK
}

# Others that an ACL lets write show in the bits of the group.
others_write() {
  case $MODE in ?????w* | ????????w*) return 0 ;; esac
  return 1
}

# into NAME PLACE: one step, to the directory that is there and to nothing that a link leads to.
# WAY stays safe while nobody but root and us can exchange what lies on the way from / to PLACE: all of it is ours, and where
# others may write, the sticky bit keeps the next one, which must be ours as well. NEAREST is the last of these where only we
# may write.
into() {
  WHY="${2:-/} cannot be entered"
  cd -P "$1" 2>/dev/null || return 1
  WHY="$1 does not lead to ${2:-/}"
  [ "$(env pwd)" = "${2:-/}" ] || return 1
  HERE=$2
  look_at . || return 1
  case $MODE in
    ????????w[!tT]* | ?????w???[!tT]*) WAY=open ;;
  esac
  trusted "$OWNER" || WAY=open
  if [ "$WAY" = safe ] && ! others_write; then NEAREST=${HERE:-/}; fi
}

from_top() {
  WAY=safe NEAREST=
  into / ''
}

# enter DIRECTORY [make]: goes there and sets HERE to where it really is, WAY and NEAREST; makes what is missing, or ends at
# the last directory that is there (MISSING=yes). Fails with WHY.
# A link that others may exchange could lead us anywhere. It counts only when it leads to a directory of its owner, who could
# do the same there without us.
enter() {
  enter_rest=$1/ enter_hops=0 LED='' MISSING=no
  from_top || return 1
  while [ -n "$enter_rest" ]; do
    enter_name=${enter_rest%%/*} enter_rest=${enter_rest#*/}
    case $enter_name in
      '' | .) ;;
      ..)
        enter_rest=${HERE%/*}/$enter_rest
        from_top || return 1
        ;;
      *)
        if [ -L "./$enter_name" ]; then
          follow "$enter_name" || return 1
        elif exists "./$enter_name" || [ "${2-}" = make ]; then
          WHY="$HERE/$enter_name cannot be made"
          exists "./$enter_name" || (umask 022 && mkdir "./$enter_name") 2>/dev/null || return 1
          into "./$enter_name" "$HERE/$enter_name" || return 1
        else
          MISSING=yes
          break
        fi
        ;;
    esac
  done
  WHY="a link that user $LED can exchange leads to ${HERE:-/}, which belongs to another user"
  [ "${LED:-$OWNER}" = "$OWNER" ] || return 1
  WHY=
}

# follow NAME: where the link ./NAME leads to becomes the next part of the way.
follow() {
  enter_hops=$((enter_hops + 1))
  WHY="$HERE/$1 is one of too many links"
  [ "$enter_hops" -le 40 ] || return 1
  WHY="$HERE/$1 changed meanwhile"
  look_at "./$1" || return 1
  follow_to=$(readlink "./$1" && printf x) || return 1
  # In a sticky directory it stays whose it is.
  if [ "$WAY" = open ] || { [ "$NEAREST" != "${HERE:-/}" ] && ! trusted "$OWNER"; }; then
    WHY="links of different users lead to $HERE/$1"
    [ "${LED:-$OWNER}" = "$OWNER" ] || return 1
    LED=$OWNER
  fi
  enter_rest=${follow_to%?x}/$enter_rest
  case $follow_to in /*) from_top ;; esac
}

# private NAME: is ./NAME a directory of ours that nobody else may even look into?
private() {
  look_at "./$1" && trusted "$OWNER" || return 1
  case $MODE in drwx------*) ;; *) return 1 ;; esac
}

# exposed PATH: may somebody else exchange it, or what lies in it? LOOSE is why.
exposed() {
  LOOSE='' exposed_in=$1
  [ -d "$1" ] || exposed_in=${1%/*}
  if ! enter "$exposed_in"; then
    LOOSE=$WHY
  elif [ "$WAY" = open ] || [ "$NEAREST" != "${HERE:-/}" ]; then
    LOOSE="others may change ${HERE:-/}, or a directory above it"
  elif [ "$exposed_in" != "$1" ] && [ "$MISSING" = no ] && look_at "./${1##*/}" && { others_write || ! trusted "$OWNER"; }; then
    LOOSE="others may change $1"
  fi
  cd /
  [ -n "$LOOSE" ]
}

# open_directory NAME: the directories at or below ./NAME where others may write.
open_directory() {
  find "./$1" -type d '(' -perm -020 -o -perm -002 -o ! '(' -user 0 -o -user "${ME:-$(id -u)}" ')' ')' -print -prune 2>&1 || echo "$1"
}

# pick_remover: does rm hold each directory that it empties, as that of GNU does?
pick_remover() {
  REMOVER=plain
  case $(rm --version 2>&1) in *'GNU coreutils'*) REMOVER=gnu ;; esac
}

# remove_name NAME: whatever it is; a name without a slash, in the directory that is held. Somebody may still be in a directory
# below it and exchange names there. So, from above, each directory first becomes ours alone.
remove_name() {
  exists "./$1" || return 0
  if [ "$REMOVER" = gnu ] || [ -L "./$1" ] || [ ! -d "./$1" ]; then
    rm -rf "./$1"
    return
  fi
  remove_in=$(env pwd)
  (
    cd -P "./$1" 2>/dev/null && [ "$(env pwd)" = "${remove_in%/}/$1" ] || exit 1
    find . -type d -exec chown "${ME:-$(id -u)}" {} \; -exec chmod 700 {} \; 2>/dev/null || :
    find . ! -name . -prune -exec rm -rf {} \;
  ) || return 1
  rmdir "./$1"
}
