"""The small signs inside BPMN shapes, drawn by us as SVG path data in a box of 20 by 20 around the origin.

Only thumbnails use them: recognisable, not exact.
"""

from typing import Final

ENVELOPE = "M-8,-5.5H8V5.5H-8ZM-8,-5.5L0,1L8,-5.5"
EVENTS: Final[dict[str, str]] = {
    "messageEventDefinition": ENVELOPE,
    "timerEventDefinition": "M0,-8A8,8 0 1 1 0,8A8,8 0 1 1 0,-8M0,-6V-4.5M0,6V4.5M-6,0H-4.5M6,0H4.5M0,0L1.5,-5M0,0L4,0",
    "errorEventDefinition": "M-7,6L-3,-5L2,1L7,-6L3,6L-2,0Z",
    "signalEventDefinition": "M0,-7L7.5,5.5H-7.5Z",
    "escalationEventDefinition": "M0,-7.5L5.5,7L0,1.5L-5.5,7Z",
    "conditionalEventDefinition": "M-5.5,-7H5.5V7H-5.5ZM-3.5,-4.5H3.5M-3.5,-1.5H3.5M-3.5,1.5H3.5M-3.5,4.5H3.5",
    "compensateEventDefinition": "M0,-5V5L-7,0ZM7,-5V5L0,0Z",
    "cancelEventDefinition": "M-7,-5L-5,-7L0,-2L5,-7L7,-5L2,0L7,5L5,7L0,2L-5,7L-7,5L-2,0Z",
    "linkEventDefinition": "M-7,-3H1V-6.5L8,0L1,6.5V3H-7Z",
    "terminateEventDefinition": "M0,-8A8,8 0 1 1 0,8A8,8 0 1 1 0,-8",
    "multiple": "M0,-7.5L7.2,-2.3L4.4,6H-4.4L-7.2,-2.3Z",
}
GATEWAYS: Final[dict[str, str]] = {
    "exclusiveGateway": "M-5.5,-6.5L5.5,6.5M5.5,-6.5L-5.5,6.5",
    "parallelGateway": "M0,-9V9M-9,0H9",
    "inclusiveGateway": "M0,-8.5A8.5,8.5 0 1 1 0,8.5A8.5,8.5 0 1 1 0,-8.5",
    "complexGateway": "M0,-9V9M-9,0H9M-6,-6L6,6M6,-6L-6,6",
    "eventBasedGateway": "M0,-10A10,10 0 1 1 0,10A10,10 0 1 1 0,-10M0,-5L4.8,-1.5L2.9,4H-2.9L-4.8,-1.5Z",
}
TASKS: Final[dict[str, str]] = {
    "userTask": "M0,-7A3.2,3.2 0 1 1 0,-0.6A3.2,3.2 0 1 1 0,-7M-6.5,7C-6.5,1.5 -3,0 0,0C3,0 6.5,1.5 6.5,7Z",
    "serviceTask": "M0,-3A3,3 0 1 1 0,3A3,3 0 1 1 0,-3M0,-7.5V-5.5M0,7.5V5.5M-7.5,0H-5.5M7.5,0H5.5"
    "M-5.3,-5.3L-3.9,-3.9M5.3,5.3L3.9,3.9M-5.3,5.3L-3.9,3.9M5.3,-5.3L3.9,-3.9"
    "M0,-5.5A5.5,5.5 0 1 1 0,5.5A5.5,5.5 0 1 1 0,-5.5",
    "scriptTask": "M-4,-7H7C3,-3.5 3,-2 5,0.5C6.5,3 6,5 3,7H-7C-3.5,4.5 -3.5,3 -5.5,0.5C-7,-2 -7,-4.5 -4,-7ZM-3,-4H3M-4,-0.5H2.5M-2.5,3.5H3.5",
    "sendTask": ENVELOPE,
    "receiveTask": ENVELOPE,
    "manualTask": "M-7,-1L-2,-6H0L-1.5,-3H6V-1H2H7V1H2.5H6.5V3H2H5.5V5H-4L-7,3Z",
    "businessRuleTask": "M-7.5,-6H7.5V6H-7.5ZM-7.5,-2.5H7.5M-7.5,1.5H7.5M-3,-2.5V6",
}
LOOP = "M-2,4.5A5,5 0 1 1 2.5,4.3M-2,4.5L-5.5,4M-2,4.5L-2,1"
PARALLEL = "M-4,-5V5M0,-5V5M4,-5V5"
SEQUENTIAL = "M-5,-4H5M-5,0H5M-5,4H5"
COLLAPSED = "M-7,-7H7V7H-7ZM0,-4V4M-4,0H4"
DATA_OBJECT = "M-18,-25H8L18,-15V25H-18ZM8,-25V-15H18"
DATA_STORE = (
    "M-25,-19C-25,-27 25,-27 25,-19V19C25,27 -25,27 -25,19ZM-25,-19C-25,-11 25,-11 25,-19"
    "M-25,-14C-25,-6 25,-6 25,-14M-25,-9C-25,-1 25,-1 25,-9"
)
