#!/usr/bin/env bash
# Runs the Python tests where this machine's Python cannot: `tools/elsewhere.sh PLACE ARGUMENTS_OF_PYTEST`.
#
#   aarch64   CPython 3.11 of Debian 12 for arm64, emulated; needs g++-aarch64-linux-gnu and qemu-user
#   noble     CPython 3.12 and the C library of Ubuntu 24.04, under which the package openfhe loads
#
# Everything lies in build/PLACE: the distribution's packages, unpacked and not installed; wheels; the extension, which
# is also copied beside this machine's own. Needs apt and no rights; pip, cmake and ninja are those of PYTHON's folder.
# A second run takes seconds until it tests; delete build/PLACE to begin anew. Exits with 75 where nothing can be fetched.
set -Eeuo pipefail
cd "$(dirname "$0")/.."

place=${1:?which place: aarch64 or noble}
shift
python=$(command -v "${PYTHON:-python}")
PATH=$(cd "$(dirname "$python")" && pwd):$PATH
home=$PWD/build/$place
root=$home/root
wheels=(numpy scipy networkx sympy mpmath onnx ml_dtypes protobuf msgpack pydantic typer rich py_ecc tenseal
  nanobind pytest pytest-xdist pytest-timeout hypothesis galois)

case $place in
aarch64)
  version=3.11 architecture=arm64 machine=aarch64 glibc=36
  source="http://deb.debian.org/debian bookworm main"
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  start="qemu-aarch64 -L $root -0 \"\$0\""
  configuration=(--toolchain native/cmake/aarch64.cmake)
  ssl=libssl3
  ;;
noble)
  version=3.12 architecture=amd64 machine=x86_64 glibc=39
  source="http://archive.ubuntu.com/ubuntu noble main"
  keyring=$home/keyring/usr/share/keyrings/ubuntu-archive-keyring.gpg
  libraries=$root/usr/lib/x86_64-linux-gnu
  start="$libraries/ld-linux-x86-64.so.2 --library-path $libraries --argv0 \"\$0\""
  configuration=()
  ssl=libssl3t64
  wheels+=(openfhe)
  ;;
*)
  echo "$place: there are aarch64 and noble" >&2
  exit 2
  ;;
esac
debs=("python$version-minimal" "libpython$version-minimal" "libpython$version-stdlib" "libpython$version-dev" "$ssl"
  libc6 libgcc-s1 libstdc++6 libexpat1 zlib1g libffi8 libbz2-1.0 liblzma5 libuuid1 libcrypt1 libsqlite3-0)

# fetch ARCHITECTURE KEYRING SOURCE INTO PACKAGE...: unpacks packages whose signatures apt has checked.
fetch() {
  local architecture=$1 keyring=$2 source=$3 into=$4 apt
  shift 4
  apt=$home/apt/$(basename "$into")
  mkdir -p "$apt"/{state,lists/partial,cache/archives/partial,debs} "$into"
  : >"$apt/state/status"
  echo "deb [signed-by=$keyring] $source" >"$apt/sources.list"
  local options=(-qq -o APT::Architecture="$architecture" -o APT::Architectures="$architecture"
    -o APT::Sandbox::User=root -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o Acquire::Languages=none -o Dir::Etc::sourcelist="$apt/sources.list"
    -o Dir::Etc::sourceparts=- -o Dir::State="$apt/state" -o Dir::State::status="$apt/state/status"
    -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache")
  apt-get "${options[@]}" update
  (cd "$apt/debs" && apt-get "${options[@]}" download "$@")
  for package in "$apt"/debs/*.deb; do dpkg-deb -x "$package" "$into"; done
}

trap 'echo "elsewhere: what $place needs could not be fetched" >&2; exit 75' ERR
if [[ ! -x $root/usr/bin/python ]]; then
  if [[ ! -e $keyring ]]; then
    fetch amd64 /usr/share/keyrings/debian-archive-keyring.gpg "http://deb.debian.org/debian trixie main" \
      "$home/keyring" ubuntu-keyring
  fi
  fetch "$architecture" "$keyring" "$source" "$root" "${debs[@]}"
  # What sys.executable names, so that tests can start interpreters of their own.
  printf '#!/bin/sh\nexec %s %s "$@"\n' "$start" "$root/usr/bin/python$version" >"$root/usr/bin/python"
  chmod +x "$root/usr/bin/python"
fi

if [[ ! $home/wheels.ready -nt constraints.txt ]]; then
  platforms=(--platform "manylinux2014_$machine")
  for ((minor = 17; minor <= glibc; minor++)); do platforms+=(--platform "manylinux_2_${minor}_$machine"); done
  rm -rf "$home/site"
  "$python" -m pip install -qq --retries 1 --target "$home/site" --constraint constraints.txt --only-binary=:all: \
    --python-version "$version" --implementation cp "${platforms[@]}" "${wheels[@]}"
  touch "$home/wheels.ready"
fi
trap - ERR

# The place's own Python tells CMake where its headers are and what an extension is called. Those include others by name.
export PYTHONPATH=$home/site
cmake -S . -B "$home/native" -G Ninja -DCMAKE_BUILD_TYPE=Release -DPython_EXECUTABLE="$root/usr/bin/python" \
  -DPython_INCLUDE_DIR="$root/usr/include/python$version" -DCMAKE_CXX_FLAGS="-isystem $root/usr/include" \
  "${configuration[@]}" >"$home/build.log"
cmake --build "$home/native" >>"$home/build.log" || { tail -n 50 "$home/build.log" >&2; exit 1; }
# A process that runs elsewhere keeps the file it has.
cp --remove-destination "$home"/native/_native*.so vortex_crypto/

PYTHONPATH=.:$home/site exec "$root/usr/bin/python" -m pytest "$@"
