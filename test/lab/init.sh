#!/bin/sh
# PID 1 of a lab node. Enters the prepared root and stays: reaps orphans, reports what the node asks for.
# $1 root directory, $2 boot id file (relative to the root), $3 host name
set -e
cd "$1"
mount -t proc proc proc
mount --bind "./$2" proc/sys/kernel/random/boot_id
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755,size=64m tmpfs run
mkdir -p run/sshd run/lock dev/pts dev/shm
mount -t tmpfs -o mode=1777,size=64m tmpfs dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts dev/pts
hostname "$3"
ip link set lo up
pivot_root . .
umount -l .
cd /

# The commands that power a node off or start it again (power.sh) signal PID 1; only root may, as on a real machine.
trap 'echo lab:reboot' USR1
trap 'echo lab:poweroff' USR2
/usr/sbin/sshd -f /etc/ssh/sshd_lab_config -E /var/log/sshd.log
echo lab:ready
set +e
while :; do
  sleep 3600 &
  wait $!
done
