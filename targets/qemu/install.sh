#!/bin/sh
# Installs what cross builds and emulated tests need, from Debian. Says what is missing; asks for root
# for that alone, and for nothing when nothing is missing. RVE_SUDO= names another way to root.
set -eu
PATH=$PATH:/usr/sbin:/sbin

# command or file, and the package that has it
needed() {
  cat <<LIST
aarch64-linux-gnu-g++ g++-aarch64-linux-gnu
riscv64-linux-gnu-g++ g++-riscv64-linux-gnu
qemu-aarch64-static qemu-user-static
qemu-riscv64-static qemu-user-static
qemu-system-aarch64 qemu-system-arm
qemu-system-riscv64 qemu-system-misc
/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin opensbi
clang-16 clang-16
mke2fs e2fsprogs
e2fsck e2fsprogs
debugfs e2fsprogs
xz xz-utils
socat socat
LIST
}

missing() {
  needed | while read -r what package; do
    case $what in
      /*) [ -e "$what" ] || echo "$package" ;;
      *) command -v "$what" >/dev/null || echo "$package" ;;
    esac
  done | sort -u | tr '\n' ' '
}

packages=$(missing)
[ -n "$packages" ] || exit 0
echo "make qemu needs these packages of Debian: $packages"
sudo=
if [ "$(id -u)" -ne 0 ]; then
  sudo=${RVE_SUDO-sudo}
  if [ -z "$sudo" ] || ! command -v "${sudo%% *}" >/dev/null; then
    echo "They are not installed, and this is not root. As root: apt-get install $packages" >&2
    exit 1
  fi
  echo "Root is asked for this alone: $sudo apt-get install"
fi
$sudo apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $packages
left=$(missing)
[ -z "$left" ] || { echo "Still missing: $left" >&2; exit 1; }
