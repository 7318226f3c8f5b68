"""mqtt-logger as its README shows it, or with what this project would set if it had to use it.

Arguments: port of the broker, path of the database, `default` or `tuned`. Stops on SIGTERM by its own `stop()`.
"""

import functools
import signal
import sys
import threading

import mqtt_logger
import paho.mqtt.client as mqtt
from mqtt_logger.logger import Recorder

FILTER = "lift/v1/+/+/+/event"


class Tuned(Recorder):
    """A session that the broker keeps, QoS 1, a write-ahead log. Its own code offers none of these as settings.

    Messages of a kept session arrive before `start()`, and would be acknowledged and thrown away: so the connection is
    held back until then. At the end the connection goes first, for the same reason.
    """

    def __init__(self, **settings):
        self._started = threading.Event()
        super().__init__(**settings)
        self._con.execute("pragma journal_mode = wal")

    def _on_connect(self, client, userdata, flags, rc):
        self._started.wait()
        for topic in self.topics:
            client.subscribe(topic, qos=1)

    def start(self):
        super().start()
        self._started.set()

    def stop(self):
        self._client.disconnect()
        self._client.loop_stop()
        super().stop()


def main():
    port, path, how = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    recorder = mqtt_logger.Recorder
    if how == "tuned":
        # The recorder makes its own client, and takes no client id.
        mqtt.Client = functools.partial(mqtt.Client, client_id="logger", clean_session=False)
        recorder = Tuned
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda _signal, _frame: ended.set())
    running = recorder(sqlite_database_path=path, topics=[FILTER], broker_address="127.0.0.1", port=port)
    running.start()
    ended.wait()
    running.stop()


if __name__ == "__main__":
    main()
