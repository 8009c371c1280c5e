/** The example of the documentation, as it stands there. */
export const EXAMPLE = `{
  "clusters": {
    "staging": {
      "user": "platform", "become": "sudo",          // none | sudo | doas
      "jump": "node1",                                // reach the others through this node or host
      "nodes": [
        { "name": "node1", "host": "10.0.0.11", "port": 22, "roles": ["database"], "identityFile": "~/.ssh/id_ed25519" },
        { "name": "node2", "host": "10.0.0.12", "roles": ["application"], "address": "192.168.5.12" }  // address: how other nodes reach it
      ],
      "primary": "node1",
      "roleOrder": ["database", "application", "webproxy"],   // beats the manifest's; unlisted roles last, then file order
      "packageDirs": ["~", "~/media"],
      "stateDir": "/var/lib/clusterlift",             // default as in section 6
      "production": true,
      "upgrade": { "mode": "fast", "backup": "none", "batch": ["1", "25%", "100%"], "maxFailures": 0, "onFailure": "stop", "health": { "stable": "10s" },
                   "trustedSigners": ["ssh-ed25519 AAAA… release"], "requireSignature": false },
      "backup": { "paths": ["/opt/app", "/etc/app"], "exclude": ["*.log"] },
      "recipe": { "run": "sh ./install.sh --silent", "version": "cat /etc/acme-release" }
    }
  },
  "backupLocations": { "nightly": "sftp://backup@10.0.0.5/srv/backups", "vault": "restic:rest:https://10.0.0.6:8000/" },
}
`;
