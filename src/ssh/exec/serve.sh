# shellcheck shell=sh disable=SC2154,SC2317
# A shell that serves one request after the other; lib.sh stands before it. On stdin, for each request: a line with a mark,
# the text, the same line again. A request that is cut off does not run. What a request does stands in serve.ts.
set +eu
clusterlift_newline='
'
# end MARK STATUS: on both outputs, so that nothing of the next request is taken for the last one's.
clusterlift_end() {
  printf '%s %s\n' "$1" "$2"
  printf '%s\n' "$1" >&2
}
while IFS= read -r clusterlift_mark; do
  clusterlift_text=
  while :; do
    IFS= read -r clusterlift_line || exit 0
    [ "$clusterlift_line" != "$clusterlift_mark" ] || break
    clusterlift_text=$clusterlift_text$clusterlift_line$clusterlift_newline
  done
  eval "$clusterlift_text"
done
exit 0
