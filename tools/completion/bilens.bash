# bash completion for bilens. The program lists its own verbs and options, so nothing here needs to follow them.
_bilens() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} program=${COMP_WORDS[0]} verb=${COMP_WORDS[1]} options kind
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W "$("$program" --help=options 2>/dev/null | cut -f1) --help --version" -- "$current")
        return
    fi
    options=$("$program" "$verb" --help=options 2>/dev/null) || return
    kind=$(awk -F'\t' -v name="$previous" '$1 == name { print $2 }' <<<"$options")
    if [[ $previous == --format ]]; then
        mapfile -t COMPREPLY < <(compgen -W "table json csv" -- "$current")
    elif [[ $kind == value ]]; then
        return
    elif [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(cut -f1 <<<"$options")" -- "$current")
    else
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    fi
}
complete -F _bilens bilens
