#compdef bilens
# zsh completion for bilens. The program lists its own verbs and options, so nothing here needs to follow them.
_bilens() {
    local program=${words[1]} verb=${words[2]} name kind text
    local -a verbs options
    if ((CURRENT == 2)); then
        while IFS=$'\t' read -r name text; do verbs+=("$name:${text//:/\\:}"); done < <($program --help=options 2>/dev/null)
        _describe 'verb' verbs
        return
    fi
    local previous=${words[CURRENT - 1]} wanted=file
    while IFS=$'\t' read -r name kind text; do
        options+=("$name:${text//:/\\:}")
        [[ $name == $previous ]] && wanted=$kind
    done < <($program $verb --help=options 2>/dev/null)
    if [[ $previous == --format ]]; then
        compadd table json csv
    elif [[ $wanted == value ]]; then
        _message 'value'
    elif [[ ${words[CURRENT]} == -* ]]; then
        _describe 'option' options
    else
        _files
    fi
}
_bilens "$@"
