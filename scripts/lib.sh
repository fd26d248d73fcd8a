# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034
# What scripts/demo, scripts/test and scripts/bench share. To be sourced by bash from the top
# of the repository.

export LC_ALL=C.UTF-8

build_packages=(
    gcc libc6-dev meson ninja-build pkg-config
    libfuse3-dev fuse3 libcurl4-openssl-dev libjson-c-dev
    libmicrohttpd-dev libsqlite3-dev libsodium-dev
    ca-certificates)
demo_packages=(jq tar gzip grep util-linux)
test_packages=(
    libcmocka-dev clang-format
    python3 python3-pytest python3-pytest-xdist python3-hypothesis
    bash dash jq git rsync tar gzip grep sed coreutils findutils diffutils
    procps util-linux binutils curl strace mandoc perl)
# The tools of tests/tools, tests/interop and tests/access, as command:package. A
# machine that cannot have one of them runs the other tests, and skips those
# that want it.
tool_packages=(
    vim:vim nano:nano emacs:emacs-nox sponge:moreutils node:nodejs npm:npm
    openssl:openssl nginx:nginx-light)

# What scripts/bench compares with, and puts in front.
bench_packages=(curl jq rclone nginx-light openssl)

# Install those of the named Debian packages that are missing. When none is,
# apt is not touched.
install_missing() {
    local missing=() package as_root=()

    if ! command -v dpkg-query >/dev/null; then
        echo "not a Debian system; these are needed: $*" >&2
        return 0
    fi
    for package in "$@"; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
            missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    echo "installing ${missing[*]}" >&2
    if ((EUID != 0)); then
        if ! command -v sudo >/dev/null; then
            echo "neither root nor sudo: install them first" >&2
            return 1
        fi
        as_root=(sudo)
    fi
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive bash -euo pipefail -c '
        log=$(mktemp)
        # A server among them is for tests, which run their own: it must not
        # start by itself.
        policy=/usr/sbin/policy-rc.d
        if [[ ! -e $policy ]]; then
            trap "rm -f $policy" EXIT
            printf "#!/bin/sh\nexit 101\n" >"$policy"
            chmod 755 "$policy"
        fi
        install() {
            apt-get -qq -o DPkg::Lock::Timeout=120 install \
                --no-install-recommends -y "$@" >"$log" 2>&1
        }
        # Stale lists name versions that are gone: fetch them and try again.
        { compgen -G "/var/lib/apt/lists/*_Packages*" >/dev/null && install "$@"; } ||
            { apt-get -qq update >"$log" 2>&1 && install "$@"; } ||
            { cat "$log" >&2; exit 1; }
        rm -f "$log"' install "${missing[@]}"
}

# As above, for tools that tests can do without.
install_tools() { # COMMAND:PACKAGE...
    local tool missing=()

    for tool in "$@"; do
        command -v "${tool%%:*}" >/dev/null || missing+=("${tool#*:}")
    done
    ((${#missing[@]})) || return 0
    install_missing "${missing[@]}" ||
        echo "not installed: ${missing[*]}; tests that want them are skipped" >&2
}

# build DIRECTORY [MESON-OPTION]...: configure when that was not done, or was
# done for another place, then compile. Says nothing unless it fails.
build() {
    local directory=$1 log
    shift
    log=$(mktemp)
    {
        if [[ ! -e $directory/build.ninja ]]; then
            rm -rf "$directory"
            meson setup "$directory" "$@"
        elif ! grep -qF "\"source\": \"$PWD\"" "$directory/meson-info/meson-info.json"; then
            meson setup --wipe "$directory" "$@"
        fi && ninja -C "$directory"
    } >"$log" 2>&1 || {
        cat "$log" >&2
        rm -f "$log"
        return 1
    }
    rm -f "$log"
}
