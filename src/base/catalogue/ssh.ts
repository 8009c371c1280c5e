import { ExitStatus } from './exit-status';
import type { ErrorEntry } from './entry';

const { failed, usage, refused, unknown, locked } = ExitStatus;

/** Connections, host keys, authentication, and scripts on a node. */
export const SSH_ERRORS = {
  'host-unreachable': {
    exit: refused,
    cause: 'No connection to the node could be opened.',
    next: 'Check the address, the port, the network and sshd with `ssh -v`.',
  },
  'no-common-algorithm': {
    exit: refused,
    cause: 'The SSH server and Clusterlift have no algorithm in common.',
    next: 'Allow a current algorithm in its sshd_config. See docs/ssh.md for the supported ones.',
  },
  'host-key-unknown': {
    exit: refused,
    cause: 'The host key of the node is not in known_hosts.',
    next: 'Compare the fingerprint on the node, then accept the key, connect once with `ssh`, or use --accept-new-host-keys.',
  },
  'host-key-changed': {
    exit: refused,
    cause: 'The node shows another host key than the one in known_hosts.',
    next: 'Find out why. If the node was reinstalled, remove the old key with `ssh-keygen -R`.',
  },
  'host-key-revoked': {
    exit: refused,
    cause: 'The host key is marked as revoked in known_hosts.',
    next: 'Do not connect. Give the node a new host key.',
  },
  'host-key-weak': {
    exit: refused,
    cause: 'The RSA host key is too short.',
    next: 'Give the node a new host key, or set RequiredRSASize for this host in your own ssh_config.',
  },
  'known-hosts-unreadable': {
    exit: refused,
    cause: 'A known_hosts file cannot be read, so host keys cannot be checked.',
    next: 'Make the file readable for your user.',
  },
  'auth-failed': {
    exit: refused,
    cause: 'The SSH server rejected every key and password.',
    next: 'Check the user, the keys and the password. The message lists what was tried.',
  },
  'no-session': {
    exit: refused,
    cause: 'The login succeeded, but the SSH server opens no session.',
    next: 'Check MaxSessions and ForceCommand in its sshd_config, and whether old sessions hang.',
  },
  'jump-loop': {
    exit: usage,
    cause: 'The jump hosts form a circle.',
    next: 'Remove "jump" or ProxyJump from one of them.',
  },
  'proxy-command': {
    exit: usage,
    cause: 'ssh_config reaches the node by ProxyCommand, which is not supported.',
    next: 'Use ProxyJump in ssh_config, or "jump" in clusters.json.',
  },
  'ssh-config-invalid': {
    exit: usage,
    cause: 'ssh_config cannot be used for this node.',
    next: 'Correct the line that the message names.',
  },
  'ssh-config-permissions': {
    exit: usage,
    cause: 'Other users can write to an ssh_config file.',
    next: 'Restrict its permissions with `chmod go-w`.',
  },
  'secret-file': {
    exit: usage,
    cause: 'A file with a secret, named by a …_FILE variable, cannot be read.',
    next: 'Make the file readable for your user, or set the variable itself.',
  },
  'terminal-local': {
    exit: usage,
    cause: 'A terminal to this node cannot be opened.',
    next: 'Open a terminal on this machine, or use your own `ssh`.',
  },
  'local-shell': {
    exit: refused,
    cause: 'The node is this machine, and it has no POSIX shell.',
    next: 'Reach the node by SSH, or run Clusterlift on the node itself.',
  },
  'relay-login': {
    exit: failed,
    cause: 'A node cannot log in to another node to copy the package.',
    next: 'Use --distribution direct, or check the SSH client and server of the node.',
  },
  'link-lost': {
    exit: unknown,
    cause: 'The connection was lost while a command ran. Its outcome is unknown.',
    next: 'Check the network and the node, then run `clusterlift resume`.',
  },
  'become-password-missing': {
    exit: refused,
    cause: 'sudo needs a password, and none is available.',
    next: 'Set CLUSTERLIFT_BECOME_PASSWORD or its _FILE variable, or let sudo work without a password.',
  },
  'become-password-wrong': {
    exit: refused,
    cause: 'sudo rejected the password.',
    next: 'Log in as the user and try `sudo -k true`.',
  },
  'become-refused': {
    exit: refused,
    cause: 'sudo or doas does not let the login user become root.',
    next: 'Correct the sudo or doas rules. The hint names the command to try.',
  },
  'script-not-started': {
    exit: refused,
    cause: 'The account on the node does not start a POSIX shell.',
    next: 'Give the account a login shell and no forced command.',
  },
  'argument-nul': {
    exit: usage,
    cause: 'A value for a node contains a NUL character.',
    next: 'Remove the NUL character from the configuration or the package.',
  },
  'node-file': {
    exit: refused,
    cause: 'A file on a node cannot be opened or read.',
    next: 'Check the path, and that the login user may read the file.',
  },
  'node-timeout': {
    exit: unknown,
    cause: 'A command on a node did not end within its time limit.',
    next: 'Check whether the node hangs or is overloaded.',
  },
  'node-output-too-long': {
    exit: unknown,
    cause: 'A script on a node printed too much.',
    next: 'Send long output to a log file instead.',
  },
  'node-script-failed': {
    exit: failed,
    cause: 'A script of Clusterlift failed on a node.',
    next: 'Check the free space and the health of the node, then try again.',
  },
  'node-answer-broken': {
    exit: unknown,
    cause: 'The output of a node cannot be read. Often a login script prints something.',
    next: 'Log in and run `sh -c "echo ok"`: nothing but "ok" may appear.',
  },
  'append-failed': {
    exit: failed,
    cause: 'A file on a node cannot be written.',
    next: 'Check free space, quota and permissions, then start again. What arrived is kept.',
  },
  'append-offset': {
    exit: failed,
    cause: 'A file on a node changed while it was sent.',
    next: 'Start the transfer again.',
  },
  'job-invalid': {
    exit: [failed, usage],
    cause: 'A job for a node is not valid or arrived incomplete.',
    next: 'Check clusters.json and the manifest. If they are right, report a bug in Clusterlift.',
  },
  'temp-create': {
    exit: refused,
    cause: 'The node has no temporary directory where programs may run.',
    next: 'Make room in /tmp, or set TMPDIR.',
  },
  'state-path': {
    exit: usage,
    cause: 'The state directory is not an absolute path.',
    next: 'Set "stateDir" in clusters.json to an absolute path.',
  },
  'state-create': {
    exit: refused,
    cause: 'The state directory cannot be created or written.',
    next: 'Set "become" so that Clusterlift runs as root, or set "stateDir" to a directory that the login user may write.',
  },
  'state-owner': {
    exit: refused,
    cause: 'The state directory belongs to another user.',
    next: 'Use the same user and "become" as before, or another "stateDir".',
  },
  'state-noexec': {
    exit: refused,
    cause: 'The state directory is on a file system where programs may not run (noexec).',
    next: 'Set "stateDir" to a directory on another file system.',
  },
  'state-lost': {
    exit: unknown,
    cause: 'The state directory of a node was removed or is older than the run.',
    next: 'Find out how far the step came, then decide with `clusterlift resume`.',
  },
  fenced: {
    exit: locked,
    cause: 'Another process took over the run or the node. This process changed nothing since.',
    next: 'Follow the other process with `clusterlift status` and `clusterlift runs`.',
  },
  unlocked: {
    exit: locked,
    cause: 'The lock was released with `clusterlift unlock`. This run changed nothing since.',
    next: 'Check with `clusterlift runs`.',
  },
  'lock-other-name': {
    exit: [unknown, refused],
    cause: 'The address of a node leads to another node of the run.',
    next: 'Correct the address in clusters.json, ssh_config or the DNS, then run `clusterlift resume`.',
  },
  'unpack-path': {
    exit: refused,
    cause: 'The package contains an unsafe path.',
    next: 'Ask the publisher of the package for a corrected one.',
  },
} satisfies Record<string, ErrorEntry>;
