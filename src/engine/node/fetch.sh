# shellcheck shell=sh disable=SC2154
# Downloads a package on this node as the login user, into ~/.cache/clusterlift/incoming/url-<key>/image.iso. The download
# belongs to the process that asked for it. It ends with the connection, and continues from what is there the next time.
#
# get KEY TOKEN PINNED   stdin: three lines, none of them ever in an argument or a file: the URL; `user:password` as a value
#                        in quotes of curl's configuration, maybe empty; the URL with both in it, for wget.
#                        PINNED yes: the digest of the whole is known, so a rest may be fetched without an ETag.
#                        stdout: path PATH · at BYTES TOTAL (0: not known) · end KIND STATUS INSECURE
# drop NAME              removes the directory of that name in incoming

CR=$(printf '\r')

find_tool() {
  if command -v curl >/dev/null 2>&1; then
    TOOL=curl
  elif wget --help 2>&1 | grep -q -e --config; then
    TOOL=wget
  else
    die fetch-tools "neither curl nor GNU wget is installed, so it cannot download"
  fi
}

# Another download to the same place: ours of before a lost link is ended, a stranger's keeps its place.
find_place() {
  I=$HOME/.cache/clusterlift/incoming
  mkdir -p "$I" 2>/dev/null || die stage-space "cannot make $I"
  chmod 700 "$I"
  find "$I" -maxdepth 1 -name 'url-*' -mtime +7 -exec rm -rf {} + 2>/dev/null || :
  D=$I/url-$key
  looks=0
  until own_place; do
    looks=$((looks + 1))
    if [ "$looks" -gt 3 ]; then D=$I/url-$key.$token; fi
    [ "$looks" -le 15 ] || die fetch-busy "another download of this URL does not end"
    sleep 1
  done
}

own_place() {
  [ ! -L "$D" ] || rm -f "$D"
  mkdir -p "$D" 2>/dev/null || die stage-space "cannot make $D"
  if [ -d "$D/owner" ]; then
    if lives "$D/owner/pid"; then
      [ "$(cat "$D/owner/token" 2>/dev/null)" = "$token" ] || return 1
      read -r owner_pid _ <"$D/owner/pid"
      kill "$owner_pid" 2>/dev/null || :
      end_tool
      return 1
    fi
    end_tool
    rm -rf "$D/owner"
  fi
  pid_start $$
  rm -rf "$D/.own.$$"
  mkdir "$D/.own.$$"
  printf '%s %s\n' $$ "$START" >"$D/.own.$$/pid"
  printf '%s\n' "$token" >"$D/.own.$$/token"
  claim "$D/.own.$$" "$D/owner"
}

# run_tool PROGRAM ARG…: so that it can be ended by its own pid.
run_tool() {
  # shellcheck disable=SC2016
  sh -c 'printf "%s %s\n" $$ "$(cut -d " " -f 22 /proc/$$/stat)" >"$1/tool"; shift; exec "$@"' sh "$D" "$@"
}

end_tool() {
  if lives "$D/tool"; then
    read -r tool_pid _ <"$D/tool"
    kill "$tool_pid" 2>/dev/null || :
  fi
  rm -f "$D/tool"
}

# Nobody listens, or we were asked to make room.
leave() {
  trap '' HUP INT TERM
  end_tool
  [ -z "${pipe:-}" ] || wait "$pipe" || :
  rm -rf "$D/owner" "$D/seen"
  exit 1
}

by_curl() {
  {
    printf 'url = "%s"\n' "$url"
    [ -z "$user" ] || printf 'user = "%s"\n' "$user"
    [ "$FROM" = 0 ] || [ -z "$etag" ] || printf 'header = "If-Range: \\"%s\\""\n' "$etag"
  } | run_tool curl -q -K - -s -g -f -L --max-redirs 10 --proto =http,https -A clusterlift --connect-timeout 15 \
    --speed-time 30 --speed-limit 1 -D - -C "$FROM" -o "$D/image.iso" 2>/dev/null
}

by_wget() {
  set -- --no-config --no-netrc -i - -nv -S -c -t 1 -T 30 --max-redirect=10 -U clusterlift -O "$D/image.iso"
  [ "$FROM" = 0 ] || [ -z "$etag" ] || set -- "$@" --header="If-Range: \"$etag\""
  printf '%s\n' "$whole" | run_tool wget "$@" 2>&1
}

# heed: reads the headers of the answers, and keeps of them what tells how the download goes. Nothing else is written:
# the address of a redirection may hold a secret.
heed() {
  status=0 total=0 rc=99
  while IFS= read -r line || [ -n "$line" ]; do
    line=${line%"$CR"}
    line=${line#"${line%%[! ]*}"}
    value=${line#*:}
    value=${value# }
    case $line in
      HTTP/[0-9]*)
        value=${line#* }
        status=${value%% *} total=0
        [ "$FROM" = 0 ] || [ "$status" != 200 ] || rm -f "$D/etag"
        ;;
      [Ee][Tt][Aa][Gg]:*) heed_etag "$value" ;;
      [Cc][Oo][Nn][Tt][Ee][Nn][Tt]-[Ll][Ee][Nn][Gg][Tt][Hh]:*) [ "$status" != 200 ] || total=$value ;;
      [Cc][Oo][Nn][Tt][Ee][Nn][Tt]-[Rr][Aa][Nn][Gg][Ee]:*) total=${value##*/} ;;
      [Ll][Oo][Cc][Aa][Tt][Ii][Oo][Nn]:*[Hh][Tt][Tt][Pp]://*) insecure=yes ;;
      "clusterlift $token "*) rc=${line##* } ;;
      *) continue ;;
    esac
    case $status in *[!0-9]* | '' | ????*) status=0 ;; esac
    case $total in *[!0-9]* | '' | ????????????????*) total=0 ;; esac
    printf '%s %s %s %s\n' "$status" "$total" "$insecure" "$rc" >"$D/seen.new"
    mv -f "$D/seen.new" "$D/seen"
  done
}

# Only strong ones count, and only those that cannot be anything but text.
heed_etag() {
  case $1 in
    \"*\") ;;
    *) return 0 ;;
  esac
  new=${1#\"}
  new=${new%\"}
  case $new in *[!A-Za-z0-9._:+/=,-]* | '') return 0 ;; esac
  if [ "$status" = 206 ] && [ "$FROM" != 0 ]; then
    [ -z "$etag" ] || [ "$etag" = "$new" ] || : >"$D/other"
  elif [ "$status" = 200 ] && [ "$FROM" = 0 ]; then
    printf '%s\n' "$new" >"$D/etag"
  fi
}

size_now() {
  SIZE=0
  [ ! -f "$D/image.iso" ] || SIZE=$(($(wc -c <"$D/image.iso")))
}

anew() {
  rm -f "$D/image.iso" "$D/etag" "$D/other"
}

# once: one request; sets STATUS TOTAL RC, and KIND to '' unless it is decided.
once() {
  KIND=
  size_now
  etag=
  { read -r etag <"$D/etag"; } 2>/dev/null || :
  if [ "$SIZE" = 0 ] || { [ -z "$etag" ] && [ "$pinned" != yes ]; }; then
    anew
    SIZE=0 etag=
  fi
  FROM=$SIZE room=
  rm -f "$D/seen" "$D/other"
  {
    tool_rc=0
    "by_$TOOL" || tool_rc=$?
    printf '\nclusterlift %s %s\n' "$token" "$tool_rc"
  } | heed &
  pipe=$!
  while
    look
    pid_start "$pipe"
    [ -n "$START" ]
  do
    sleep 0.3 2>/dev/null || sleep 1
  done
  wait "$pipe" || :
  rm -f "$D/tool"
  look
}

# look: sets STATUS TOTAL RC and SIZE, tells them, and ends a download that does not fit.
look() {
  STATUS=0 TOTAL=0 RC=99
  { read -r STATUS TOTAL seen_insecure RC <"$D/seen"; } 2>/dev/null || :
  [ "${seen_insecure:-no}" = no ] || insecure=yes
  size_now
  printf 'at %s %s\n' "$SIZE" "$TOTAL" 2>/dev/null || leave
  [ -z "$room" ] && [ "$TOTAL" != 0 ] || return 0
  room=$(df -Pk "$D" | { read -r _; read -r _ _ _ kb _; printf %s "$kb"; })
  if [ "$((room * 1024 + SIZE))" -lt "$TOTAL" ]; then
    KIND=space
    end_tool
  fi
}

# judge: what one request came to. Sets KIND: whole, again (a passing failure), `anew` (from the beginning), or the reason of a failure.
judge() {
  [ -z "$KIND" ] || return 0
  if [ "$FROM" != 0 ] && { [ "$STATUS" = 200 ] || [ -e "$D/other" ]; }; then
    KIND=anew
  elif [ "$STATUS" = 416 ]; then
    KIND=anew
    if [ "$FROM" != 0 ] && [ "$TOTAL" = "$SIZE" ]; then KIND=whole; fi
  elif [ "$RC" = 0 ] && { [ "$STATUS" = 200 ] || [ "$STATUS" = 206 ]; }; then
    KIND=whole
    [ "$TOTAL" = 0 ] || [ "$TOTAL" = "$SIZE" ] || KIND=anew
  else
    case $TOOL$RC:$STATUS in
      *:408 | *:425 | *:429 | *:5??) KIND=again ;;
      curl33:*) KIND=anew ;;
      curl47:*) KIND=redirects ;;
      curl23:* | wget3:*) KIND=space ;;
      curl5:* | curl6:*) KIND=host ;;
      curl35:* | curl5[1348]:* | curl6[046]:* | curl77:* | curl8[023]:* | curl9[01]:* | wget5:*) KIND=tls ;;
      *:3?? | *:4??) KIND=server ;;
      *) KIND=again ;;
    esac
  fi
}

get() {
  key=$1 token=$2 pinned=$3
  url='' user='' whole=''
  { IFS= read -r url && IFS= read -r user && IFS= read -r whole; } || die job-invalid "the address arrived cut short"
  case $key$token in *[!0-9a-f]*) die job-invalid "$key is no key" ;; esac
  insecure=no
  case $url in [Hh][Tt][Tt][Pp]:*) insecure=yes ;; esac
  find_tool
  find_place
  # A listener that went away makes `printf` fail, and does not kill us before we have tidied up.
  trap '' PIPE
  trap leave HUP INT TERM
  emit_line "path $D/image.iso"
  failures=0 fresh=0
  while :; do
    once
    judge
    case $KIND in
      anew)
        fresh=$((fresh + 1))
        anew
        [ "$fresh" -lt 4 ] || KIND=changed
        ;;
      again)
        [ "$SIZE" -le "$FROM" ] || failures=0
        failures=$((failures + 1))
        [ "$failures" -lt 4 ] || KIND=network
        ;;
    esac
    case $KIND in anew | again) sleep "$failures" ;; *) break ;; esac
  done
  rm -rf "$D/owner" "$D/seen"
  [ "$KIND" != whole ] || sync_path "$D/image.iso"
  emit_line "end $KIND $STATUS $insecure"
}

emit_line() {
  printf '%s\n' "$1" || leave
}

drop() {
  case $1 in */* | *..*) return 0 ;; url-*) ;; *) return 0 ;; esac
  rm -rf "$HOME/.cache/clusterlift/incoming/$1"
}

mode=$1
shift
case $mode in
  get) get "$@" ;;
  drop) drop "$@" ;;
esac
