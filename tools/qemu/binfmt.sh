#!/bin/sh
# Runs a command in which the kernel starts foreign executables through qemu-user, also those that
# another one starts. In a user namespace of its own: nothing of this machine changes.
#
#   binfmt.sh aarch64|riscv64 COMMAND [ARGUMENT ...]
#
# Exit 125: the kernel allows no such namespace, or no binfmt_misc in it (before Linux 6.7).
set -eu
if [ "${RVE_BINFMT_INSIDE:-}" = "" ]; then
  arch=$1
  qemu=${RVE_QEMU:-$(command -v "qemu-$arch-static" || command -v "qemu-$arch")} || {
    echo "No qemu-$arch. On Debian: apt-get install qemu-user-static" >&2
    exit 125
  }
  shift
  RVE_BINFMT_INSIDE="$arch:$qemu" exec unshare -Urm "$0" "$@"
fi
arch=${RVE_BINFMT_INSIDE%%:*}
qemu=${RVE_BINFMT_INSIDE#*:}
unset RVE_BINFMT_INSIDE
case $arch in
  aarch64) machine='\xb7' ;;
  riscv64) machine='\xf3' ;;
  *) echo "binfmt.sh: no architecture $arch" >&2; exit 2 ;;
esac
# ELF of 64 bits, little-endian, program or shared object, of this machine. F: opened now.
magic="\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00$machine\\x00"
mask='\xff\xff\xff\xff\xff\xff\xff\xfc\x00\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc 2>/dev/null || exit 125
printf '%s' ":qemu-$arch:M:0:$magic:$mask:$qemu:F" >/proc/sys/fs/binfmt_misc/register || exit 125
exec "$@"
