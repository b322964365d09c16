# SPDX-License-Identifier: Apache-2.0
"""What explanations may know: the options, the objects, and what CoreDNS says to
further questions."""

import asking
import message


class Facts:
    def __init__(self, options, state, port):
        self.options, self.state, self.port = options, state, port
        self.asked = {}

    def ask(self, name, rdtype):
        """CoreDNS's own reply over TCP, without EDNS, RD set."""
        key = (name.lower(), rdtype)
        if key not in self.asked:
            wire = asking.ask_one(self.port, message.Question(name, rdtype, tcp=True))
            self.asked[key] = message.parse(wire) if wire else None
        return self.asked[key]
