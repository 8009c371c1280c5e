# shellcheck shell=sh disable=SC2154
# Makes room: STATE RUN EPOCH IMAGES RUNS
# Removes what earlier rollbacks kept. Keeps the newest IMAGES images of each product and the newest RUNS closed runs, and whatever an open run, a living job
# or the caller needs. stdin: `image SHA` and `run ID`, a line each, then `end`: what is to be kept beyond that.

# The kilobytes of a path, for the sum.
gone() {
  freed=$((freed + $(du -sk "$1" 2>/dev/null | cut -f 1)))
  rm -rf "$1"
  emit removed "${1#"$S"/}"
}

kept() {
  case $keep in *"
$1
"*) return 0 ;; esac
  return 1
}

# Is the image named in the plan of a run that is not closed?
image_in_use() {
  for open_run in "$S"/runs/*; do
    if [ -f "$open_run/plan.json" ] && [ ! -e "$open_run/closed" ] && grep -q -F "$1" "$open_run/plan.json"; then return 0; fi
  done
  return 1
}

# product DIR: what the manifest of an unpacked image says, as far as a line tells. Images that say nothing are one kind.
product() {
  [ -f "$1/files/upgrade.json" ] || return 0
  head -c 65536 "$1/files/upgrade.json" | tr -d '\n' |
    sed -n 's/.*"product"[[:space:]]*:[[:space:]]*"\([A-Za-z0-9._+-]*\)".*/\1/p' | head -n 1
}

# Newest first. The names are digests, so that lines are words.
prune_images() {
  seen='
'
  # shellcheck disable=SC2012,SC2045
  for sha in $(ls -1t "$S/packages"); do
    image=$S/packages/$sha
    case $sha in *[!0-9a-f]*) continue ;; esac
    what=$(product "$image")
    seen="$seen<$what>
"
    rank=$(printf %s "$seen" | grep -c -x -F "<$what>") || :
    [ "$rank" -gt "$images" ] || continue
    if kept "image $sha" || image_in_use "$sha"; then continue; fi
    gone "$image"
  done
}

# Names of runs begin with their time.
prune_runs() {
  count=0
  # shellcheck disable=SC2012,SC2045
  for run in $(ls -1r "$S/runs"); do
    case $run in *[!A-Za-z0-9._-]*) continue ;; esac
    [ -e "$S/runs/$run/closed" ] || continue
    prune_jobs "$run"
    count=$((count + 1))
    [ "$count" -gt "$runs" ] || continue
    if kept "run $run" || [ "$run" = "$own" ]; then continue; fi
    gone "$S/runs/$run"
  done
}

# Jobs of a closed run tell nothing any more, unless they live. A run without jobs costs no look at each of them.
prune_jobs() {
  if kept "run $1" || [ "$1" = "$own" ]; then return 0; fi
  for job in "$S/jobs/$1".*; do
    if [ "$(cat "$job/run" 2>/dev/null)" != "$1" ]; then continue; fi
    job_state "$job"
    [ "$STATE" = running ] || gone "$job"
  done
}

# What the rollback of an earlier run replaced and kept. Its stages lie where only root can write, and name their run.
prune_replaced() {
  for replaced in "$S"/restore/*/phase; do
    [ "$(cat "$replaced" 2>/dev/null)" = kept ] || continue
    replaced=${replaced%/phase}
    [ "${replaced##*/}" != "$own" ] || continue
    for stage_file in "$replaced"/p*/stage; do
      IFS= read -r stage <"$stage_file" || continue
      case ${stage##*/} in .clusterlift-"${replaced##*/}".*) rm -rf "$stage" ;; esac
    done
    gone "$replaced"
  done
}

# What a killed script of ours left: nothing that is in the making is a day old.
prune_leftovers() {
  find "$S/jobs" "$S/lock" "$S/packages" "$S/runs" "$S/requests" "$S/installed" -xdev -mtime +0 \
    \( -name '.new.*' -o -name '.claim.*' -o -name 'files.new.*' -o -name '*.new.[0-9]*' -o -name '.piece.*' -o -name '.payload.*' \) \
    -prune -exec rm -rf {} + 2>/dev/null || :
}

state_path "$1"
own=$2 images=$4 runs=$5 freed=0
fence "$2" "$3"
keep='
' whole=no
while IFS= read -r keep_line; do
  [ "$keep_line" != end ] || whole=yes
  keep="$keep$keep_line
"
done
[ $whole = yes ] || die prune-cut "the list of what to keep was cut short"
prune_leftovers
prune_replaced
prune_runs
prune_images
emit freed "$((freed * 1024))"
