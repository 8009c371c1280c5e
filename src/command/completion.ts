import type { Shell } from './command';
import { COMMANDS, GROUPS } from './grammar';
import { OPTIONS } from './options';
import type { CommandSpec } from './spec';
import type { AnyOption } from './tokens';

/** A completion script for a shell: commands, words, options and their choices, and files. It starts no program. */
export function completionScript(shell: Shell): string {
  switch (shell) {
    case 'bash':
      return bash();
    case 'zsh':
      return zsh();
    case 'fish':
      return fish();
  }
}

interface Candidate {
  readonly word: string;
  readonly about: string;
}

const optionsOf = (spec: CommandSpec): AnyOption[] => spec.options.map((key): AnyOption => OPTIONS[key]);
const ALL: readonly AnyOption[] = Object.values(OPTIONS);
const takingValue = ALL.filter((option) => option.value);

/** First words, and for each group its second words. */
function commandWords(): { readonly first: Candidate[]; readonly inGroup: Record<string, Candidate[]> } {
  const single = COMMANDS.filter((spec) => !Object.hasOwn(GROUPS, spec.name.split(' ')[0] ?? ''));
  const first = [
    ...single.filter((spec) => !spec.name.includes(' ')).map((spec) => ({ word: spec.name, about: spec.summary })),
    ...Object.entries(GROUPS).map(([word, about]) => ({ word, about })),
  ];
  const second = (name: string): Candidate[] =>
    COMMANDS.filter((spec) => spec.name.startsWith(`${name} `)).map((spec) => ({
      word: spec.name.slice(name.length + 1),
      about: spec.summary,
    }));
  const heads = [
    ...new Set(COMMANDS.filter((spec) => spec.name.includes(' ')).map((spec) => spec.name.split(' ')[0] ?? '')),
  ];
  return { first, inGroup: Object.fromEntries(heads.map((name) => [name, second(name)])) };
}

/** What may stand after the name of a command, besides options and what only the user knows. */
function wordsOf(spec: CommandSpec): Candidate[] {
  return spec.words.flatMap((word) => {
    if (word.form === 'choice') return word.choices.map((each) => ({ word: each.word, about: each.about }));
    if (word.form === 'after') return [{ word: word.keyword, about: word.about }];
    if (word.key === 'topic') return commandWords().first;
    return (word.value.choices ?? []).map((choice) => ({ word: choice, about: word.about }));
  });
}

const takesFile = (spec: CommandSpec): boolean =>
  spec.words.some((word) => word.form === 'place' && word.value.completes === 'file');
const names = (list: readonly { readonly word: string }[]): string => list.map((each) => each.word).join(' ');
const patternOf = (options: readonly AnyOption[]): string => options.map((option) => option.name).join('|');

/** For `case` in bash and zsh: the words before the cursor that are neither options nor their values, in `$command`. */
function commandFinder(words: string): string {
  const heads = Object.keys(commandWords().inGroup);
  return `  command= skip=
  for word in ${words}; do
    if [ -n "$skip" ]; then skip=; continue; fi
    case $word in
      ${patternOf(takingValue)}) skip=1; continue ;;
      -*) continue ;;
      cluster) [ -n "$command" ] || continue ;;
    esac
    case $command in
      '') command=$word ;;
      ${heads.join('|')}) command="$command $word" ;;
    esac
  done`;
}

function bash(): string {
  const { first, inGroup } = commandWords();
  const values = takingValue.flatMap((option) => {
    if (option.value?.choices) return [`    ${option.name}) words='${option.value.choices.join(' ')}' ;;`];
    return option.value?.completes === 'file' ? [`    ${option.name}) files=1 ;;`] : [];
  });
  const groups = Object.entries(inGroup).map(([name, list]) => `    ${name}) words='${names(list)}' ;;`);
  const commands = COMMANDS.map((spec) => {
    const words = [
      ...wordsOf(spec).map((each) => each.word),
      ...optionsOf(spec).map((option) => option.name),
      '--help',
    ];
    return `    '${spec.name}'*) words="$words ${words.join(' ')}"${takesFile(spec) ? ' files=1' : ''} ;;`;
  });
  const rest = patternOf(takingValue);
  return `# bash completion for clusterlift
_clusterlift() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} command skip word words= files=
  COMPREPLY=()
${commandFinder('"${COMP_WORDS[@]:1:COMP_CWORD-1}"')}
  case $prev in
${values.join('\n')}
    ${rest}|keep) return ;;
    *)
  case $command in
    '') words='${names(first)} --help --version' ;;
${groups.join('\n')}
  esac
  case $command in
${longestFirst(commands).join('\n')}
  esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  [ -z "$files" ] || COMPREPLY+=($(compgen -f -- "$cur"))
}
complete -o filenames -F _clusterlift clusterlift
`;
}

/** \`'runs abandon'*\` before \`'runs'*\`. */
function longestFirst(cases: readonly string[]): string[] {
  return [...cases].sort((a, b) => b.indexOf("'*)") - a.indexOf("'*)"));
}

/** In single quotes; a colon would end the word for _describe. */
function zshItem({ word, about }: Candidate): string {
  return `'${word}:${about.replaceAll("'", `'\\''`)}'`;
}

function zsh(): string {
  const { first, inGroup } = commandWords();
  const values = takingValue.flatMap((option) => {
    if (option.value?.choices) return [`    ${option.name}) compadd -- ${option.value.choices.join(' ')}; return ;;`];
    return option.value?.completes === 'file' ? [`    ${option.name}) _files; return ;;`] : [];
  });
  const groups = Object.entries(inGroup).map(
    ([name, list]) => `    ${name}) items=(${list.map(zshItem).join(' ')}) ;;`,
  );
  const commands = COMMANDS.map((spec) => {
    const options = [...optionsOf(spec), { name: '--help', about: 'Show the help.' }];
    const items = [...wordsOf(spec), ...options.map((option) => ({ word: option.name, about: option.about }))];
    return `    '${spec.name}'*) items+=(${items.map(zshItem).join(' ')})${takesFile(spec) ? '; files=1' : ''} ;;`;
  });
  return `#compdef clusterlift
# zsh completion for clusterlift
_clusterlift() {
  local command skip word files=
  local -a items
${commandFinder('"${(@)words[2,CURRENT-1]}"')}
  case $words[CURRENT-1] in
${values.join('\n')}
    ${patternOf(takingValue)}|keep) return ;;
  esac
  case $command in
    '') items=(${first.map(zshItem).join(' ')}) ;;
${groups.join('\n')}
  esac
  case $command in
${longestFirst(commands).join('\n')}
  esac
  _describe clusterlift items
  [[ -z $files ]] || _files
}
if [[ $funcstack[1] == _clusterlift ]]; then _clusterlift; else compdef _clusterlift clusterlift; fi
`;
}

function fish(): string {
  const { first, inGroup } = commandWords();
  const quote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const offer = (when: string, { word, about }: Candidate): string =>
    `complete -c clusterlift -n ${quote(when)} -a ${quote(word)} -d ${quote(about)}`;
  const option = (when: string, { name, about, value }: AnyOption): string => {
    const kind = value === undefined ? '' : value.completes === 'file' ? ' -r -F' : ' -x';
    const choices = value?.choices ? ` -a ${quote(value.choices.join(' '))}` : '';
    return `complete -c clusterlift -n ${quote(when)} -l ${name.slice(2)}${kind}${choices} -d ${quote(about)}`;
  };
  const lines = [
    ...first.map((each) => offer('__clusterlift_at', each)),
    ...Object.entries(inGroup).flatMap(([name, list]) => list.map((each) => offer(`__clusterlift_at ${name}`, each))),
    ...COMMANDS.flatMap((spec) => [
      ...wordsOf(spec).map((each) => offer(`__clusterlift_in ${spec.name}`, each)),
      ...optionsOf(spec).map((each) => option(`__clusterlift_in ${spec.name}`, each)),
      ...(takesFile(spec) ? [`complete -c clusterlift -n ${quote(`__clusterlift_in ${spec.name}`)} -F`] : []),
    ]),
    'complete -c clusterlift -s h -l help -d "Show the help."',
  ];
  return `# fish completion for clusterlift
function __clusterlift_words
    set -l skip 0
    set -l first 1
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
            continue
        end
        switch $word
            case ${takingValue.map((each) => each.name).join(' ')}
                set skip 1
            case '-*'
            case cluster
                test $first = 1; or echo $word
                set first 0
            case '*'
                echo $word
                set first 0
        end
    end
end
function __clusterlift_at
    test "$(__clusterlift_words)" = "$(string join \\n $argv)"
end
function __clusterlift_in
    set -l words (__clusterlift_words)
    test (count $words) -ge (count $argv); or return 1
    test "$words[1..$(count $argv)]" = "$argv"
end
complete -c clusterlift -f
${lines.join('\n')}
`;
}
