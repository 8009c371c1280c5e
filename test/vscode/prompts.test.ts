import { hostSuite } from './harness/host';

hostSuite('Prompts of a window', ['host/prompts.ts']);
