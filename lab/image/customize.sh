#!/bin/sh
# Makes a bare root into a machine that boots in a second: only sshd starts, and nothing identifies it yet.
# $1: the new root.
set -eu
root=$1

# every server stays off until a role enables it
mkdir -p "$root/etc/systemd/system-preset"
cat >"$root/etc/systemd/system-preset/00-donvi.preset" <<'PRESET'
enable ssh.service
enable dbus.socket
disable *
PRESET
systemctl --root="$root" preset-all --preset-mode=full
for service in "$root"/etc/init.d/*; do
    name=$(basename "$service")
    case $name in ssh | dbus | procps | README | skeleton) continue ;; esac
    chroot "$root" update-rc.d "$name" disable
done
# a machine of the lab has no console, no hardware clock and no session manager
systemctl --root="$root" mask \
    console-getty.service systemd-logind.service systemd-timesyncd.service systemd-networkd.service \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer

cat >"$root/etc/ssh/sshd_config.d/00-donvi.conf" <<'SSHD'
HostKey /etc/ssh/ssh_host_ed25519_key
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UseDNS no
MaxStartups 64:30:128
MaxSessions 64
SSHD

# identity is given to each machine by the lab
rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/hostname" "$root/etc/resolv.conf" "$root/var/lib/dbus/machine-id"
: >"$root/etc/machine-id"
rm -f "$root"/etc/ssl/private/ssl-cert-snakeoil.key "$root"/etc/ssl/certs/ssl-cert-snakeoil.pem
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/usr/share/doc/* "$root"/usr/share/man/*
