// Node-RED as it comes, kept to loopback and to itself.
module.exports = {
    uiHost: "127.0.0.1",
    credentialSecret: false,
    telemetry: { enabled: false, updateNotification: false },
    logging: { console: { level: "warn" } },
};
