import { hostSuite } from './harness/host';

hostSuite('Activation', ['host/activation.ts']);
